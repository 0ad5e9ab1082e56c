/**
 * Reads what a child writes to stdout and stderr and passes it on in whole lines, so that children cannot tear each
 * other's lines. Keeps the last 4 KiB of stderr for the exit record, and takes out what the runtime says about the
 * inspector: that address is a key to the process and belongs in no log.
 */
const mostLineBytes = 64 * 1024;
const tailBytes = 4096;
const inspectorLine =
  /^(?:Debugger listening on (ws:\/\/\S+)|Visit chrome:\/\/inspect|Debugger session (?:started|ended))/;

/** What became known of a child by its output. */
export class ChildOutput {
  /** The private WebSocket address of its inspector; empty until it said so. */
  inspector = "";
  #tail = "";

  /** The last 4 KiB of stderr. */
  get tail(): string {
    return this.#tail;
  }

  /** Reads `stream` to its end; `forward` gets whole lines. */
  async read(
    stream: ReadableStream<Uint8Array>,
    kind: "stdout" | "stderr",
    forward: (bytes: Uint8Array) => void,
  ): Promise<void> {
    let rest: Uint8Array = new Uint8Array(0);
    try {
      for await (const chunk of stream) {
        const all = rest.length === 0 ? chunk : concat(rest, chunk);
        const end = all.lastIndexOf(10) + 1;
        const cut = end === 0 && all.length > mostLineBytes ? all.length : end;
        rest = all.subarray(cut);
        if (cut > 0) this.#lines(all.subarray(0, cut), kind, forward);
      }
    } catch {
      // The pipe broke with the process; its exit is told elsewhere.
    }
    if (rest.length > 0) this.#lines(concat(rest, new Uint8Array([10])), kind, forward);
  }

  #lines(bytes: Uint8Array, kind: "stdout" | "stderr", forward: (bytes: Uint8Array) => void): void {
    if (kind === "stdout") return forward(bytes);
    const text = new TextDecoder().decode(bytes);
    if (!text.includes("ebugger") && !text.includes("chrome:")) {
      this.#tail = (this.#tail + text).slice(-tailBytes);
      return forward(bytes);
    }
    const kept: string[] = [];
    for (const line of text.split("\n")) {
      const found = inspectorLine.exec(line);
      if (found === null) kept.push(line);
      // The process itself says so first, its pool threads later.
      else if (this.inspector === "") this.inspector = found[1] ?? "";
    }
    const left = kept.join("\n");
    if (left === "") return;
    this.#tail = (this.#tail + left).slice(-tailBytes);
    forward(new TextEncoder().encode(left));
  }
}

function concat(a: Uint8Array, b: Uint8Array): Uint8Array {
  const all = new Uint8Array(a.length + b.length);
  all.set(a);
  all.set(b, a.length);
  return all;
}
