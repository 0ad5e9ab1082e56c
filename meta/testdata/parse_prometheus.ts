/**
 * A strict parser of the Prometheus text format 0.0.4, written from its specification and not from our writer. Throws a
 * SyntaxError with the line at the first thing that a scraper could refuse.
 */

/** One sample. */
export interface Sample {
  name: string;
  labels: Record<string, string>;
  value: number;
}

/** All samples by family. */
export type Families = Map<string, { type: string; samples: Sample[] }>;

const types = ["counter", "gauge", "histogram", "summary", "untyped"];
const metricName = "[a-zA-Z_:][a-zA-Z0-9_:]*";

/** Parses a whole exposition. */
export function parsePrometheus(text: string): Families {
  const families: Families = new Map();
  const helped = new Set<string>();
  const seen = new Set<string>();
  let current = "";
  if (!text.endsWith("\n")) throw new SyntaxError("the last line must end with a line feed");
  for (const line of text.slice(0, -1).split("\n")) {
    const fail = (why: string): never => {
      throw new SyntaxError(`${why}: ${line}`);
    };
    const help = new RegExp(`^# HELP (${metricName}) (?:[^\\\\]|\\\\[\\\\n])*$`).exec(line);
    const type = new RegExp(`^# TYPE (${metricName}) (\\w+)$`).exec(line);
    if (help) {
      if (helped.has(help[1]!) || families.has(help[1]!)) fail("HELP twice or after TYPE");
      helped.add(help[1]!);
      continue;
    }
    if (type) {
      if (families.has(type[1]!)) fail("TYPE twice");
      if (!types.includes(type[2]!)) fail("no such type");
      families.set(current = type[1]!, { type: type[2]!, samples: [] });
      continue;
    }
    if (line.startsWith("#")) {
      if (/^# (HELP|TYPE)/.test(line)) fail("broken HELP or TYPE");
      continue;
    }
    const sample = parseSample(line) ?? fail("no sample");
    const family = families.get(current) ?? fail("sample before TYPE");
    const suffixes = family.type === "histogram" ? ["_bucket", "_sum", "_count"] : [""];
    if (!suffixes.some((suffix) => sample.name === current + suffix)) fail(`sample outside of its family ${current}`);
    const key = sample.name + JSON.stringify(Object.entries(sample.labels).sort());
    if (seen.has(key)) fail("the same series twice");
    seen.add(key);
    family.samples.push(sample);
  }
  for (const [name, { type, samples }] of families) if (type === "histogram") checkHistogram(name, samples);
  return families;
}

function parseSample(line: string): Sample | undefined {
  const match = new RegExp(`^(${metricName})(?:\\{(.*)\\})? (\\S+)$`, "s").exec(line);
  if (match === null) return undefined;
  const labels: Record<string, string> = {};
  let rest = match[2] ?? "";
  while (rest !== "") {
    const label = /^([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\[\\"n])*)"(?:,(?=.)|$)/s.exec(rest);
    if (label === null || Object.hasOwn(labels, label[1]!)) return undefined;
    labels[label[1]!] = label[2]!.replace(/\\(.)/g, (_, char) => char === "n" ? "\n" : char);
    rest = rest.slice(label[0].length);
  }
  const number = match[3]!;
  if (!/^([+-]?(\d+(\.\d*)?|\.\d+)(e[+-]?\d+)?|[+-]Inf|NaN)$/i.test(number)) return undefined;
  return { name: match[1]!, labels, value: Number(number.replace("Inf", "Infinity")) };
}

/** Buckets never fall, end with +Inf, and that is the count. */
function checkHistogram(name: string, samples: Sample[]): void {
  const groups = Map.groupBy(samples, ({ labels: { le: _, ...others } }) => JSON.stringify(others));
  for (const [labels, group] of groups) {
    const buckets = group.filter((sample) => sample.name === `${name}_bucket`);
    const count = group.find((sample) => sample.name === `${name}_count`);
    const sum = group.find((sample) => sample.name === `${name}_sum`);
    const bad = (why: string) => new SyntaxError(`${name}${labels}: ${why}`);
    if (!count || !sum || buckets.length === 0) throw bad("a histogram needs buckets, sum and count");
    for (let i = 1; i < buckets.length; i++) {
      if (buckets[i]!.value < buckets[i - 1]!.value) throw bad("buckets fall");
      if (bound(buckets[i]!) <= bound(buckets[i - 1]!)) throw bad("bounds do not rise");
    }
    const last = buckets.at(-1)!;
    if (last.labels.le !== "+Inf" || last.value !== count.value) throw bad("the last bucket is not the count");
  }
}

function bound({ labels }: Sample): number {
  return Number(labels.le!.replace("Inf", "Infinity"));
}
