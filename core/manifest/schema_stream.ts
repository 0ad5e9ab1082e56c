/** Streams of records that are written: where they go, and the spool in which they wait. */
import { z } from "zod";
import { kafkaTopic } from "./schema_kafka.ts";
import { suggest } from "./suggest.ts";
import { defaulted, exactlyOne, integer, required, section, withProposals } from "./terms.ts";
import { path } from "./terms_path.ts";
import { duration, size } from "./terms_quantity.ts";

/** The ways a stream can go; the order is the one in error texts. */
export const streamSinks = ["kafka", "file", "stdout"] as const;

const stdout = () =>
  z.strictObject({}, { error: (issue) => issue.code === "invalid_type" ? "must be `{}`" : undefined });

const syncWords = ["never", "always"] as const;

export const stream = section(() =>
  exactlyOne({
    kafka: required(kafkaTopic(), "A topic of Apache Kafka."),
    file: required(
      path("the path of a file"),
      "A file that gets a line per record; opened again when it was moved.",
    ),
    stdout: required(
      stdout(),
      "The standard output of the service, a line per record: for development. `stdout: {}`.",
    ),
  }, {
    codec: defaulted(
      z.enum(["json", "msgpack", "raw"]),
      "json",
      "How records are encoded; raw takes bytes and texts.",
    ),
    spool: defaulted(
      z.strictObject({
        directory: defaulted(
          path("the path of a folder"),
          "./spool",
          "Folder of the spool; made when it is not there. A folder per stream is made in it.",
        ),
        max: defaulted(
          size({ min: "64KiB" }),
          "1GiB",
          "Most the spool of this stream may hold, over all workers.",
        ),
        full: defaulted(
          z.enum(["block", "reject", "dropOldest"]),
          "block",
          "What happens when it is full: block = senders wait, within their deadline; reject = they get an error; dropOldest = the oldest records are given up.",
        ),
        sync: defaulted(
          z.union([z.enum(syncWords), duration({ positive: true })], {
            error: ({ input }) =>
              withProposals("must be `never`, `always` or a duration such as `1s`", [
                typeof input === "string" ? suggest(input, syncWords) : undefined,
              ]),
          }),
          "1s",
          "Records are safe from a power failure: never, after at most this time, or always when `send` resolves. From the end of the process they are safe in any case.",
        ),
      }),
      {},
      "Where records wait on disk.",
    ),
    batch: defaulted(
      z.strictObject({
        records: defaulted(integer(1, 100_000), 2000, "Most records at once."),
        bytes: defaulted(size({ min: "1KiB" }), "512KiB", "Most bytes at once; a longer record goes alone."),
        wait: defaulted(duration(), "20ms", "How long records wait for more to come."),
      }),
      {},
      "What is sent at once.",
    ),
    attempts: defaulted(
      integer(1, 1000),
      5,
      "Tries of a record that the sink refuses; past them it is a dead letter. A sink that cannot be reached is tried for ever.",
    ),
    limits: defaulted(
      z.strictObject({
        record: defaulted(size({ min: "64B" }), "1MiB", "Longest record, encoded, with key and headers."),
      }),
      {},
      "Sizes of records.",
    ),
  })
);
