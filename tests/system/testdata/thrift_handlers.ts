/** What Drain of drain.thrift does. Every call of `say` adds a byte to a file: that tells how many were carried out. */

// The folder of the test, see weir_process.ts; with O_APPEND bytes of several processes do not meet.
const said = Deno.openSync(`${Deno.env.get("XDG_RUNTIME_DIR")}/said`, { append: true, create: true });
const mark = new Uint8Array([0x2e]);

export default {
  /** `text` again; those that begin with `slow` after a moment, so that a drain finds calls under way. */
  say({ text }: { text: string }): string | Promise<string> {
    said.writeSync(mark);
    return text.startsWith("slow") ? late(text) : text;
  },
  big: ({ bytes }: { bytes: number }) => new Uint8Array(bytes).fill(7),
};

function late(text: string): Promise<string> {
  return new Promise((resolve) => setTimeout(resolve, 3, text));
}
