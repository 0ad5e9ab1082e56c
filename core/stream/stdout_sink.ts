/** Writes records to the standard output of the process, a line each: for development. */
import { type MakeSink, SinkError } from "./contract.ts";
import { outgoingLines } from "./outgoing_line.ts";

/** The write that was begun last: one that was given up by its shipper ends before the next begins. */
let last: Promise<void> = Promise.resolve();

/** Makes the sink of a stream with `stdout:`. */
export const stdoutSink: MakeSink = ({ plan }) => ({
  async send(records) {
    const bytes = outgoingLines(records, plan.codec);
    const written = last.then(() => writeAll(bytes));
    last = written.catch(() => {});
    try {
      await written;
    } catch (error) {
      throw new SinkError("unavailable", "the standard output does not take records", { cause: error });
    }
  },
  describe: () => ["standard output"],
  close: () => Promise.resolve(),
});

async function writeAll(bytes: Uint8Array): Promise<void> {
  for (let done = 0; done < bytes.length;) done += await Deno.stdout.write(bytes.subarray(done));
}
