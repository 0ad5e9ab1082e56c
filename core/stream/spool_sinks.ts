/** The sinks that need nothing but this process, loaded when a stream names them. */
import type { MakeSink } from "./contract.ts";

export const spoolSinks: Readonly<Record<"file" | "stdout", () => Promise<MakeSink>>> = {
  file: async () => (await import("./file_sink.ts")).fileSink,
  stdout: async () => (await import("./stdout_sink.ts")).stdoutSink,
};
