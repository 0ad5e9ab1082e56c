/** Lines of a byte stream as they come, each bounded. */

/** Yields lines without their end; the last one needs none. Throws RangeError where one is longer than `mostBytes`. */
export async function* readLines(
  stream: ReadableStream<Uint8Array>,
  mostBytes: number,
): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  let parts: string[] = [];
  let size = 0;
  for await (const chunk of stream) {
    const lines = decoder.decode(chunk, { stream: true }).split("\n");
    const rest = lines.pop()!;
    for (const line of lines) {
      yield parts.join("") + line;
      parts = [];
      size = 0;
    }
    size += rest.length;
    if (size > mostBytes) throw new RangeError(`A line is longer than ${mostBytes} bytes`);
    if (rest !== "") parts.push(rest);
  }
  if (parts.length > 0) yield parts.join("");
}
