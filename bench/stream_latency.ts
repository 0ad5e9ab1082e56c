/**
 * What it costs a caller that every answer goes to Kafka: the splitter at 5,000 requests/s with its stream to a broker and
 * without a stream, in turn. The broker has the lowest priority: in earnest it is another machine. Every record has to arrive.
 */
import { startKafka } from "../tests/kafka.ts";
import { alternate } from "./alternate.ts";
import { latencyTables } from "./latency_tables.ts";
import type { LoadReport } from "./load.ts";
import { constantRate } from "./loads.ts";
import type { Bench, BenchOptions } from "./run.ts";
import { metric, splitPath, startSplitter, untilMetric } from "./splitter_service.ts";

const rate = 5000;
const connections = 64;

export const bench: Bench = {
  about: `examples/splitter at ${rate} requests/s: its stream to Kafka ÷ no stream; --seconds 60`,
  async run(options) {
    await using kafka = await startKafka({ nice: 19 });
    let lost = 0;
    const sink = { kafka: { brokers: [...kafka.brokers], topic: "" } };
    let topics = 0;
    const contenders = [
      { name: "no stream", measure: () => measure(options, null) },
      {
        name: "to a file",
        measure: () => measure(options, { file: "./decisions.jsonl" }),
      },
      {
        name: "to Kafka",
        async measure() {
          const topic = `splits-${++topics}`;
          await kafka.createTopic(topic, { partitions: 3 });
          return await measure(options, { kafka: { ...sink.kafka, topic } }, (missing) => lost += missing);
        },
      },
    ].filter(({ name }) => name === "no stream" || options.only.length === 0 || options.only.includes(name));
    const { figures, failures } = await alternate(contenders, options.rounds, (text) => console.error(text));
    console.log(latencyTables(figures));
    console.log(`records not acknowledged by the sink: ${lost}`);
    for (const [name, cause] of failures) console.log(`left out: ${name}: ${cause}`);
    return lost === 0;
  },
};

async function measure(
  { port, seconds, serverCpus, loadCpus }: BenchOptions,
  sink: Record<string, unknown> | null,
  onMissing: (count: number) => void = () => {},
): Promise<LoadReport> {
  await using splitter = await startSplitter(
    port,
    sink,
    serverCpus === undefined ? {} : { cpus: serverCpus },
  );
  const load = { hostname: "127.0.0.1", port, path: splitPath, rate, connections };
  const report = await constantRate({ ...load, seconds, warmSeconds: 5, goodMs: 1000 }, loadCpus);
  if (sink !== null) {
    await untilMetric(splitter.metaUrl, "weir_stream_queued", (queued) => queued === 0, 60_000);
    const answered = await metric(splitter.metaUrl, "weir_requests_total", 'reason="ok"');
    onMissing(answered - await metric(splitter.metaUrl, "weir_stream_acked_total"));
  }
  return report;
}
