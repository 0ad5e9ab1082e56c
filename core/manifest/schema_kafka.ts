/** Apache Kafka: how its brokers are reached, and consumer groups as listeners. Streams write to it: schema_stream.ts. */
import { z } from "zod";
import { admit, clientTls, deadline, handlerKey, rateLimit, run } from "./schema_common.ts";
import { defaulted, integer, optional, required, text } from "./terms.ts";
import { hostAddress } from "./terms_address.ts";
import { path, secret } from "./terms_path.ts";
import { duration, size } from "./terms_quantity.ts";

const brokers = required(
  z.array(hostAddress()).min(1),
  "Brokers to begin with; the others are learnt from them.",
);
const topicName = () => text("the name of a topic");

/** How a client of the brokers proves who it is. */
const sasl = () =>
  optional(
    z.strictObject({
      mechanism: defaulted(
        z.enum(["plain", "scram-sha-256", "scram-sha-512"]),
        "scram-sha-512",
        "How the password is shown; plain shows it as it is, so only over TLS.",
      ),
      username: required(text("a user name"), "User name."),
      password: required(secret(), "Password."),
    }),
    "SASL authentication.",
  );

/** The `kafka` of a stream. */
export const kafkaTopic = () =>
  z.strictObject({
    brokers,
    topic: required(
      topicName(),
      "Topic that is written; it must exist, or the brokers must make topics by themselves.",
    ),
    acks: defaulted(
      z.enum(["all", "leader", "none"]),
      "all",
      "Who must have a record before it counts as sent: all in-sync replicas, the leader, nobody.",
    ),
    compression: defaulted(
      z.enum(["none", "gzip", "snappy", "lz4", "zstd"]),
      "zstd",
      "Compression of batches; gzip takes three times the processor time of zstd, and older brokers than 2.1 do not know zstd.",
    ),
    idempotent: defaulted(
      z.boolean(),
      true,
      "The brokers leave out what was sent twice after a lost acknowledgement. Needs `acks: all`.",
    ),
    tls: clientTls("Speak TLS with the brokers."),
    sasl: sasl(),
  }).superRefine((value, context) => {
    if (!value.idempotent || value.acks === "all") return;
    context.addIssue({
      code: "custom",
      path: ["acks"],
      message: "must be `all` where `idempotent` is true: brokers number the records of a producer only then",
    });
  });

/** A consumer group. */
export const kafkaListener = z.strictObject({
  protocol: required(z.literal("kafka"), "A consumer group of Apache Kafka."),
  brokers,
  topic: required(topicName(), "Topic that is consumed."),
  group: required(text("the name of a consumer group"), "Consumer group; every worker is a member of it."),
  handler: handlerKey,
  codec: defaulted(z.enum(["json", "msgpack", "raw"]), "json", "How the values of records are decoded."),
  start: defaulted(
    z.enum(["earliest", "latest"]),
    "earliest",
    "Where a group begins that has no offsets yet, or whose offsets are gone.",
  ),
  batch: defaulted(
    integer(1, 10_000),
    1,
    "Records that the handler gets at once: 1 = one record, more = a list of up to as many, of one partition.",
  ),
  concurrency: defaulted(
    integer(1, 1024),
    1,
    "Calls per partition at once; with more than 1 the records of a partition are not handled in order.",
  ),
  retry: defaulted(
    z.strictObject({
      attempts: defaulted(integer(1, 1000), 5, "Tries of one call; past them its records are dead letters."),
      backoff: defaulted(
        duration({ positive: true }),
        "100ms",
        "Wait before the second try; doubles with each.",
      ),
      max: defaulted(duration({ positive: true }), "10s", "Longest wait."),
    }),
    {},
    "What happens when the handler fails. The partition waits meanwhile.",
  ),
  commit: defaulted(
    z.strictObject({
      records: defaulted(
        integer(1),
        1000,
        "Most records of a partition that are done and not committed; calls wait for the commit then.",
      ),
      every: defaulted(duration({ positive: true }), "1s", "Longest time between them."),
    }),
    {},
    "When offsets are committed. What is done and not committed comes again when a worker is killed.",
  ),
  deadLetters: defaulted(
    path("the path of a folder"),
    "./dead-letters",
    "Folder of `<listener>.jsonl`, which gets the records that the handler could not do, with the cause.",
  ),
  session: defaulted(
    duration({ min: "1s" }),
    "10s",
    "A member that is silent for so long, because it was killed or cut off, loses its partitions to the others. Brokers take no less than 6s unless they are told to.",
  ),
  fetch: defaulted(
    z.strictObject({
      bytes: defaulted(size({ min: "1KiB" }), "1MiB", "Most that is read of a partition at once."),
      wait: defaulted(duration(), "500ms", "Longest time that a broker waits for more to come."),
    }),
    {},
    "How records are read.",
  ),
  tls: clientTls("Speak TLS with the brokers."),
  sasl: sasl(),
  run,
  deadline,
  admit,
  rate: rateLimit,
});
