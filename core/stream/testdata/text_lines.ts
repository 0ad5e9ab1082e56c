/** Bytes to lines. */
export class TextLineStream implements ReadableWritablePair<string, Uint8Array<ArrayBuffer>> {
  readonly readable: ReadableStream<string>;
  readonly writable: WritableStream<Uint8Array<ArrayBuffer>>;

  constructor() {
    const decoder = new TextDecoder();
    let rest = "";
    const { readable, writable } = new TransformStream<Uint8Array<ArrayBuffer>, string>({
      transform(bytes, controller) {
        const lines = (rest + decoder.decode(bytes, { stream: true })).split("\n");
        rest = lines.pop()!;
        lines.forEach((line) => controller.enqueue(line));
      },
    });
    this.readable = readable;
    this.writable = writable;
  }
}
