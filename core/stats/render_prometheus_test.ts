import assert from "node:assert/strict";
import { localStatsMemory, readSeries, renderPrometheus } from "./mod.ts";

interface Family {
  type: string;
  help: string | undefined;
  samples: Array<{ name: string; labels: Record<string, string>; value: number }>;
}

/** The text format 0.0.4, strictly: one contiguous group per name, TYPE first, no sample twice, buckets that rise. */
function parseExposition(text: string): Map<string, Family> {
  assert.ok(text.endsWith("\n"), "the last line ends with a line feed");
  const families = new Map<string, Family>();
  const seen = new Set<string>();
  let current = "";
  let help: { name: string; text: string } | undefined;
  for (const line of text.slice(0, -1).split("\n")) {
    const helpLine = /^# HELP ([a-zA-Z_:][a-zA-Z0-9_:]*) ((?:[^\\]|\\\\|\\n)*)$/.exec(line);
    const typeLine = /^# TYPE ([a-zA-Z_:][a-zA-Z0-9_:]*) (counter|gauge|histogram|summary|untyped)$/.exec(
      line,
    );
    if (helpLine) {
      help = { name: helpLine[1]!, text: helpLine[2]! };
      continue;
    }
    if (typeLine) {
      current = typeLine[1]!;
      assert.ok(!families.has(current), `${current} has two groups`);
      assert.ok(help === undefined || help.name === current, `help of ${help?.name} before ${current}`);
      families.set(current, { type: typeLine[2]!, help: help?.text, samples: [] });
      help = undefined;
      continue;
    }
    if (line.startsWith("# ")) {
      assert.ok(!/^# (HELP|TYPE)\b/.test(line), line);
      continue;
    }
    const sample = /^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (NaN|[+-]Inf|-?[0-9.]+(?:e[+-]?[0-9]+)?)$/.exec(
      line,
    );
    assert.ok(sample, `not a sample: ${line}`);
    const [, name, labelText = "", number] = sample;
    const family = families.get(current)!;
    const allowed = family.type === "histogram"
      ? ["_bucket", "_sum", "_count"].map((s) => current + s)
      : [current];
    assert.ok(allowed.includes(name!), `${name} in the group of ${current}`);
    assert.ok(!seen.has(`${name}{${labelText}}`), `twice: ${line}`);
    seen.add(`${name}{${labelText}}`);
    const value = number === "NaN"
      ? NaN
      : number!.endsWith("Inf")
      ? Number(number!.replace("Inf", "Infinity"))
      : Number(number);
    family.samples.push({ name: name!, labels: parseStrictly(labelText), value });
  }
  for (const [name, family] of families) if (family.type === "histogram") checkBuckets(name, family);
  return families;
}

function parseStrictly(text: string): Record<string, string> {
  const labels: Record<string, string> = {};
  const pattern = /([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\\\|\\"|\\n)*)"(,|$)/y;
  while (pattern.lastIndex < text.length) {
    const at = pattern.lastIndex;
    const match = pattern.exec(text);
    assert.ok(match, `labels at ${at}: ${text}`);
    assert.ok(!(match[1]! in labels), `label twice: ${text}`);
    labels[match[1]!] = match[2]!.replace(/\\(.)/g, (_, c) => c === "n" ? "\n" : c);
  }
  return labels;
}

function checkBuckets(name: string, family: Family): void {
  const groups = new Map<string, { les: number[]; counts: number[]; count?: number; sum?: number }>();
  for (const { name: sample, labels, value } of family.samples) {
    const { le, ...rest } = labels;
    const key = JSON.stringify(rest);
    const group = groups.get(key) ?? { les: [], counts: [] };
    groups.set(key, group);
    if (sample === `${name}_sum`) group.sum = value;
    else if (sample === `${name}_count`) group.count = value;
    else {
      group.les.push(le === "+Inf" ? Infinity : Number(le));
      group.counts.push(value);
    }
  }
  for (const { les, counts, count, sum } of groups.values()) {
    assert.ok(sum !== undefined && count !== undefined, `${name} has sum and count`);
    assert.equal(les.at(-1), Infinity);
    assert.equal(counts.at(-1), count);
    for (let i = 1; i < les.length; i++) {
      assert.ok(les[i]! > les[i - 1]! && counts[i]! >= counts[i - 1]!, `${name} rises`);
    }
  }
}

Deno.test("renderPrometheus() is what a strict parser of the format accepts, with nothing lost", () => {
  const memory = localStatsMemory(3);
  for (const id of [1, 2]) {
    const writer = memory.slot(id).writer({ role: "worker", id });
    writer.counter("weir_requests_total", { path: 'a\\b"c\nd', code: 200 }, 'Back\\slash and\nline, "quoted"')
      .add(3);
    writer.counter("weir_requests_total", { code: 404 }).add(1);
    writer.counter("weir_requests_total_more").add(1);
    writer.gauge("weir_nothing").set(NaN);
    writer.gauge("weir_endless").set(Infinity);
    writer.gauge("weir_tiny").set(1e-9);
    writer.gauge("weir_apart", {}, "", "each").set(id);
    for (const ms of [0.05, 1, 50, 200, 5000, 1e7]) {
      writer.histogram("weir_request_duration_seconds", { listener: "api" }, { help: "Time" }).record(ms);
    }
    writer.histogram("weir_body_bytes", {}, { unit: "bytes" }).record(512);
    writer.histogram("weir_batch", {}, { unit: "one" }).record(3);
    writer.histogram("weir_empty_seconds");
    writer.distinct("weir_clients").add("x");
  }
  for (const perWorker of [false, true]) {
    const families = parseExposition(renderPrometheus(readSeries(memory, { perWorker })));
    const samples = families.get("weir_requests_total")!.samples;
    const odd = samples.filter((s) => s.labels.path === 'a\\b"c\nd');
    assert.deepEqual(
      odd.map((s) => [s.value, s.labels.worker]),
      perWorker ? [[3, "1"], [3, "2"]] : [[6, undefined]],
    );
    assert.equal(families.get("weir_requests_total")!.help, 'Back\\\\slash and\\nline, "quoted"');
    assert.equal(families.get("weir_clients")!.type, "gauge");
    assert.equal(families.get("weir_endless")!.samples[0]!.value, Infinity);
    assert.deepEqual(families.get("weir_apart")!.samples.map((s) => s.labels.worker), ["1", "2"]);
    assert.equal(families.has("weir_nothing"), false);
  }
});

Deno.test("renderPrometheus() gives times in seconds with exact sum and count", () => {
  const memory = localStatsMemory(1);
  const writer = memory.slot(0).writer({ role: "worker", id: 1 });
  const histogram = writer.histogram("weir_request_duration_seconds");
  for (const ms of [1, 50, 50, 2000]) histogram.record(ms);
  const samples =
    parseExposition(renderPrometheus(readSeries(memory))).get("weir_request_duration_seconds")!.samples;
  const bucket = (le: string) => samples.find((s) => s.labels.le === le)?.value;
  assert.deepEqual([bucket("0.0005"), bucket("0.0025"), bucket("0.1"), bucket("2.5"), bucket("+Inf")], [
    0,
    1,
    3,
    4,
    4,
  ]);
  assert.equal(samples.find((s) => s.name.endsWith("_sum"))!.value, 2.101);
  assert.equal(samples.find((s) => s.name.endsWith("_count"))!.value, 4);
  assert.ok(samples.length >= 20 && samples.length <= 25);
});

Deno.test("renderPrometheus() leaves out, and says so, what cannot stand under one name", () => {
  const memory = localStatsMemory(2);
  const one = memory.slot(0).writer({ role: "worker", id: 1 });
  const two = memory.slot(1).writer({ role: "worker", id: 2 });
  one.counter("weir_x").add();
  two.gauge("weir_x").set(1);
  one.histogram("weir_y", {}, { unit: "bytes" }).record(1);
  one.counter("weir_y_count").add();
  const text = renderPrometheus(readSeries(memory));
  const families = parseExposition(text);
  assert.equal(families.get("weir_x")!.samples.length, 1);
  assert.equal(families.has("weir_y_count"), false);
  assert.match(text, /# weir_x\{\} left out: it is a gauge elsewhere/);
  assert.match(text, /# weir_y_count left out/);
});
