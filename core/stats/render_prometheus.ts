/**
 * Series in the Prometheus text format 0.0.4. Times leave in seconds. A histogram has about twenty buckets made from its
 * fine ones (a fine bucket that a bound cuts counts by its middle), with exact sum and count.
 */
import type { Distribution } from "./histogram.ts";
import { escapeLabel } from "./label_text.ts";
import type { Series } from "./read_series.ts";

/** Upper bounds in the unit of the distribution; times in ms: 100 µs to an hour. */
const bounds: Record<Distribution["unit"], readonly number[]> = {
  // deno-fmt-ignore
  ms: [0.1, 0.25, 0.5, 1, 2.5, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10_000, 30_000, 60_000, 300_000, 3_600_000],
  bytes: Array.from({ length: 15 }, (_, i) => 16 * 4 ** i),
  one: [1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 128, 256, 512, 1024, 4096, 16_384, 65_536, 1_048_576],
};

const types = { counter: "counter", gauge: "gauge", histogram: "histogram", distinct: "gauge" } as const;

/** The text of `/metrics`, media type `text/plain; version=0.0.4`. */
export function renderPrometheus(series: readonly Series[]): string {
  const families = new Map<string, Series[]>();
  for (const one of series) {
    const family = families.get(one.name);
    if (family) family.push(one);
    else families.set(one.name, [one]);
  }
  const taken = new Set<string>();
  for (const [name, [first]] of families) {
    if (first!.kind === "histogram") {
      for (const part of ["bucket", "sum", "count"]) taken.add(`${name}_${part}`);
    }
  }
  let text = "";
  for (const [name, family] of families) text += renderFamily(name, family, taken);
  return text;
}

function renderFamily(name: string, family: readonly Series[], taken: ReadonlySet<string>): string {
  if (taken.has(name)) return `# ${name} left out: a histogram has a sample of this name\n`;
  const { kind, unit } = family[0]!;
  const help = family.find((one) => one.help !== "")?.help;
  let text = help === undefined
    ? ""
    : `# HELP ${name} ${help.replace(/[\\\n]/g, (c) => c === "\n" ? "\\n" : "\\\\")}\n`;
  text += `# TYPE ${name} ${types[kind]}\n`;
  for (const one of family) {
    // A name has one type: what another process registered otherwise cannot be shown under it.
    if (types[one.kind] !== types[kind] || isTime(one.unit) !== isTime(unit)) {
      text += `# ${name}{${one.labelText}} left out: it is a ${one.kind} elsewhere\n`;
    } else {text += one.distribution
        ? renderHistogram(one, one.distribution)
        : sample(name, labelsOf(one), one.value);}
  }
  return text;
}

function isTime(unit: Series["unit"]): boolean {
  return unit === "ms" || unit === "us";
}

function renderHistogram(series: Series, distribution: Distribution): string {
  const { name } = series;
  const labels = labelsOf(series);
  const comma = labels === "" ? "" : ",";
  const scale = distribution.unit === "ms" ? 1000 : 1;
  const limits = bounds[distribution.unit];
  let text = "";
  distribution.cumulative(limits).forEach((count, i) => {
    text += sample(`${name}_bucket`, `${labels}${comma}le="${limits[i]! / scale}"`, count);
  });
  text += sample(`${name}_bucket`, `${labels}${comma}le="+Inf"`, distribution.count);
  text += sample(`${name}_sum`, labels, distribution.sum / scale);
  return text + sample(`${name}_count`, labels, distribution.count);
}

function labelsOf({ labelText, worker }: Series): string {
  if (worker === undefined) return labelText;
  return `${labelText}${labelText === "" ? "" : ","}worker="${escapeLabel(worker)}"`;
}

function sample(name: string, labels: string, value: number): string {
  const number = value === Infinity ? "+Inf" : value === -Infinity ? "-Inf" : String(value);
  return labels === "" ? `${name} ${number}\n` : `${name}{${labels}} ${number}\n`;
}
