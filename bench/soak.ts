/** Memory under mixed load with churn: does it grow? One service is left alone, another one is reloaded every minute. */
import { soak, type SoakFigures, type SoakSample } from "../tests/system/soak.ts";
import type { Bench } from "./run.ts";
import { median, number, table } from "./table.ts";

const mebibyte = 1024 * 1024;

export const bench: Bench = {
  about: "resident memory of all processes; the last third of the time against the middle third",
  async run(options) {
    const seconds = options.minutes * 60;
    const every = Math.min(5, seconds / 12);
    const variants = { "left alone": 0, "reloaded every minute": 60 };
    const figures = await Promise.all(
      Object.entries(variants).map(async ([name, reloadEverySeconds]) => {
        let last = 0;
        const onSample = ({ atSeconds, workers }: SoakSample) => {
          if (atSeconds - last < 60) return;
          last = atSeconds;
          console.error(`${name}: ${Math.round(atSeconds)} s, workers ${workers.map(mib).join(" + ")} MiB`);
        };
        return [
          name,
          await soak({ seconds, sampleEverySeconds: every, reloadEverySeconds, onSample }),
        ] as const;
      }),
    );
    for (const [name, one] of figures) {
      console.log(tableOf(name, one));
      console.log(`  ${one.answered} answered, ${one.failed} failed, ${one.reloads} reloads\n`);
      for (const detail of one.details) console.log(`  ${detail}`);
    }
  },
};

function tableOf(name: string, { samples }: SoakFigures): string {
  const third = Math.floor(samples.length / 3);
  const parts = [samples.slice(0, third), samples.slice(third, 2 * third), samples.slice(2 * third)];
  const rows = ([
    ["a worker", ({ workers }) => workers.reduce((sum, bytes) => sum + bytes, 0) / workers.length],
    ["governor", ({ governor }) => governor],
    ["supervisor", ({ supervisor }) => supervisor],
  ] as Array<[string, (sample: SoakSample) => number]>).map(([process, pick]) => {
    const medians = parts.map((part) => median(part.map(pick)));
    const all = samples.map(pick);
    return [
      process,
      ...medians.map(mib),
      number(medians[2] / medians[1]),
      mib(Math.min(...all)),
      mib(Math.max(...all)),
    ];
  });
  const heads = [`${name}, RSS in MiB`, "first third", "middle", "last", "last ÷ middle", "min", "max"];
  return table(heads, rows);
}

function mib(bytes: number): string {
  return number(bytes / mebibyte);
}
