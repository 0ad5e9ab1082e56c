/**
 * The broker is gone for some minutes while the splitter answers 5,000 requests/s: what callers notice, what memory it takes,
 * how long the spool takes to drain, and whether every record arrives. `--minutes 2`: how long it is gone.
 */
import { startKafka } from "../tests/kafka.ts";
import type { LoadReport } from "./load.ts";
import { constantRate } from "./loads.ts";
import type { Bench } from "./run.ts";
import { metric, splitPath, startSplitter, untilMetric } from "./splitter_service.ts";
import { number, table } from "./table.ts";

const rate = 5000;
const connections = 64;

export const bench: Bench = {
  about: `examples/splitter at ${rate} requests/s while its broker is gone for --minutes`,
  async run({ port, seconds, minutes, rounds }) {
    let holds = true;
    for (let round = 1; round <= rounds; round++) {
      await using kafka = await startKafka({ nice: 19 });
      await kafka.createTopic("splits", { partitions: 3 });
      await using splitter = await startSplitter(port, {
        kafka: { brokers: [...kafka.brokers], topic: "splits" },
      }, { spool: { max: "2GiB" } });
      const load = { hostname: "127.0.0.1", port, path: splitPath, rate, connections, goodMs: 1000 };
      const memory = () => {
        const roles = splitter.program.processes();
        return {
          shipper: Math.max(
            ...roles.filter(({ command }) => command.includes("shipper.ts")).map((p) => p.rssBytes),
          ),
          workers: Math.max(
            ...roles.filter(({ command }) => command.includes("worker.ts")).map((p) => p.rssBytes),
          ),
        };
      };
      const rows: string[][] = [];
      const row = async (name: string, report: LoadReport) => {
        const { shipper, workers } = memory();
        rows.push([
          name,
          ...[report.ok.p50, report.ok.p99, report.ok.p999].map(number),
          `${report.failed}, ${report.refused.count}, ${report.lost}`,
          String(await metric(splitter.metaUrl, "weir_stream_queued")),
          number(shipper / 2 ** 20),
          number(workers / 2 ** 20),
        ]);
        console.error(`round ${round}: ${rows.at(-1)!.join("  ")}`);
      };
      await row("before", await constantRate({ ...load, seconds, warmSeconds: 5 }));
      await kafka.kill(0);
      const parts = Math.max(1, Math.round(minutes * 60 / 30));
      for (let part = 1; part <= parts; part++) {
        const took = await constantRate({ ...load, seconds: minutes * 60 / parts, warmSeconds: 0.5 });
        await row(`gone, ${part} of ${parts}`, took);
      }
      await kafka.start(0);
      const backAt = performance.now();
      await row("back", await constantRate({ ...load, seconds, warmSeconds: 0.5 }));
      await untilMetric(splitter.metaUrl, "weir_stream_queued", (queued) => queued === 0, 300_000);
      const drainedMs = performance.now() - backAt;
      const answered = await metric(splitter.metaUrl, "weir_requests_total", 'reason="ok"');
      const records = await kafka.records("splits");
      const ids = new Set(records.map(({ headers }) => headers["weir-id"]));
      console.log(
        table(
          ["ms", "p50", "p99", "p99.9", "failed, refused, lost", "queued", "shipper MiB", "worker MiB"],
          rows,
        ),
      );
      console.log(
        `\n  ${answered} answers, ${ids.size} of their records in the topic, ${
          records.length - ids.size
        } twice; ` +
          `spool empty ${number(drainedMs / 1000)} s after the broker was back\n`,
      );
      holds &&= ids.size === answered;
    }
    return holds;
  },
};
