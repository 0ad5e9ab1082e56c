/**
 * Quantities of the manifest: text with a unit to a plain number, and back for people.
 *
 * Stands below the schema (terms.ts) and `explain`. Pure: no schema library, no I/O, so that the
 * command line may format figures with it too. It refuses bare numbers: `5` is nobody's five seconds.
 */

/** The four kinds of quantity, and what the Plan holds for each: ms, bytes, per second, fraction of one. */
export type Unit = "duration" | "size" | "rate" | "share";

const number = "[0-9]+(?:\\.[0-9]+)?";

/** Text that each kind accepts, as the source of a regular expression (also used in the JSON schema). */
export const unitPatterns: Readonly<Record<Unit, string>> = {
  duration:
    `^(?:0|(?=[0-9])(?:${number}d)?(?:${number}h)?(?:${number}m)?(?:${number}s)?(?:${number}ms)?(?:${number}us)?)$`,
  size: `^(?:0|${number}(?:B|kB|KB|MB|GB|TB|KiB|MiB|GiB|TiB))$`,
  rate: `^(?:0|${number}/[smhd])$`,
  share: `^(?:0|(?:100(?:\\.0+)?|[0-9]{1,2}(?:\\.[0-9]+)?)%)$`,
};

/** Examples for error texts. */
export const unitExamples: Readonly<Record<Unit, string>> = {
  duration: "`250ms`, `5s` or `1m30s`",
  size: "`64KiB`, `10MB` or `1GiB`",
  rate: "`100/s` or `600/m`",
  share: "`20%`",
};

/** Timers of the runtime fire at once past this many milliseconds, so no duration may be longer. */
export const maxDurationMs = 2_147_483_647;

const durationFactors: Record<string, number> = {
  d: 86_400_000,
  h: 3_600_000,
  m: 60_000,
  s: 1000,
  ms: 1,
  us: 0.001,
};
const sizeFactors: Record<string, number> = {
  B: 1,
  kB: 1e3,
  KB: 1e3,
  MB: 1e6,
  GB: 1e9,
  TB: 1e12,
  KiB: 2 ** 10,
  MiB: 2 ** 20,
  GiB: 2 ** 30,
  TiB: 2 ** 40,
};
const rateSeconds: Record<string, number> = { s: 1, m: 60, h: 3600, d: 86_400 };

const matchers = new Map<Unit, RegExp>();

/** Whether `text` is a quantity of this kind. */
export function isQuantity(unit: Unit, text: string): boolean {
  let matcher = matchers.get(unit);
  if (!matcher) matchers.set(unit, matcher = new RegExp(unitPatterns[unit]));
  return matcher.test(text);
}

/**
 * The number that `text` stands for: milliseconds, bytes (whole), per second, or a fraction of one.
 * @throws {SyntaxError} when `text` is no quantity of this kind
 */
export function parseQuantity(unit: Unit, text: string): number {
  if (!isQuantity(unit, text)) throw new SyntaxError(`Cannot read ${unit} from ${JSON.stringify(text)}`);
  if (text === "0") return 0;
  if (unit === "share") return round(Number(text.slice(0, -1)) / 100);
  if (unit === "rate") {
    const [count, per] = text.split("/");
    return Number(count) / rateSeconds[per];
  }
  if (unit === "size") {
    const [, count, factor] = /^([0-9.]+)([A-Za-z]+)$/.exec(text)!;
    return Math.floor(Number(count) * sizeFactors[factor]);
  }
  let totalMs = 0;
  for (const [, count, factor] of text.matchAll(/([0-9.]+)([a-z]+)/g)) {
    totalMs += Number(count) * durationFactors[factor];
  }
  return round(totalMs);
}

/** The shortest usual text for a number of the Plan; `parseQuantity` reads it back to the same number. */
export function formatQuantity(unit: Unit, value: number): string {
  if (value === 0) return "0";
  if (unit === "share") return `${round(value * 100)}%`;
  if (unit === "size") return formatSize(value);
  if (unit === "duration") return formatDuration(value);
  const exact = (["s", "m", "h", "d"] as const).find((per) =>
    Number.isInteger(round(value * rateSeconds[per]))
  );
  return exact ? `${round(value * rateSeconds[exact])}/${exact}` : `${plain(value)}/s`;
}

function formatSize(bytes: number): string {
  for (const unit of ["TiB", "GiB", "MiB", "KiB"]) {
    if (bytes % sizeFactors[unit] === 0) return `${bytes / sizeFactors[unit]}${unit}`;
  }
  for (const unit of ["TB", "GB", "MB", "KB"]) {
    if (bytes % sizeFactors[unit] === 0) return `${bytes / sizeFactors[unit]}${unit}`;
  }
  return `${bytes}B`;
}

function formatDuration(ms: number): string {
  let text = "";
  let rest = Math.round(ms * 1000);
  for (const [unit, factor] of Object.entries(durationFactors)) {
    const size = factor * 1000;
    const count = Math.floor(rest / size);
    if (count === 0) continue;
    text += `${count}${unit}`;
    rest -= count * size;
  }
  return text || `${plain(round(ms * 1000))}us`;
}

/** What somebody most likely meant who wrote a bare number, or a unit that is not one; best first. */
export function proposeQuantity(unit: Unit, written: unknown): string[] {
  const text = String(written).trim();
  if (/^[0-9]+(\.[0-9]+)?$/.test(text)) return proposeForNumber(unit, Number(text));
  const found = /^([0-9]+(?:\.[0-9]+)?)\s*([^0-9\s].*)$/.exec(text);
  if (!found) return [];
  const count = found[1];
  const suffix = found[2].trim().toLowerCase().replace(/\s+/g, "");
  const proposal = unit === "duration"
    ? durationAliases[suffix] && `${count}${durationAliases[suffix]}`
    : unit === "size"
    ? sizeAliases[suffix] && `${count}${sizeAliases[suffix]}`
    : unit === "rate"
    ? rateAliases[suffix] && `${count}/${rateAliases[suffix]}`
    : /^(%|percent|pct)$/.test(suffix) && `${count}%`;
  return proposal && isQuantity(unit, proposal) ? [proposal] : [];
}

function proposeForNumber(unit: Unit, value: number): string[] {
  const text = plain(value);
  switch (unit) {
    case "duration":
      if (value >= 1000 && value % 1000 === 0) return [`${text}ms`, `${plain(value / 1000)}s`];
      return value >= 100 ? [`${text}ms`, `${text}s`] : [`${text}s`, `${text}ms`];
    case "size":
      if (value >= 2 ** 20 && value % 2 ** 20 === 0) return [`${plain(value / 2 ** 20)}MiB`, `${text}B`];
      return value >= 4096 ? [`${text}B`, `${text}KiB`] : [`${text}MiB`, `${text}KiB`];
    case "rate":
      return [`${text}/s`, `${text}/m`];
    case "share":
      if (value > 100) return [];
      return value <= 1
        ? [`${plain(round(value * 100))}%`, `${text}%`]
        : [`${text}%`, `${plain(round(value / 100))}%`];
  }
}

const durationAliases: Record<string, string> = {
  ...aliases("us", "us µs μs usec usecs microsecond microseconds"),
  ...aliases("ms", "ms msec msecs millis millisecond milliseconds"),
  ...aliases("s", "s sec secs second seconds"),
  ...aliases("m", "m min mins minute minutes"),
  ...aliases("h", "h hr hrs hour hours"),
  ...aliases("d", "d day days"),
};
const sizeAliases: Record<string, string> = {
  ...aliases("B", "b byte bytes"),
  ...aliases("KiB", "k ki kib"),
  ...aliases("MiB", "m mi mib"),
  ...aliases("GiB", "g gi gib"),
  ...aliases("TiB", "t ti tib"),
  ...aliases("KB", "kb"),
  ...aliases("MB", "mb"),
  ...aliases("GB", "gb"),
  ...aliases("TB", "tb"),
};
const rateAliases: Record<string, string> = {
  ...aliases("s", "/s /sec /second ps rps qps persecond"),
  ...aliases("m", "/m /min /minute rpm perminute"),
  ...aliases("h", "/h /hr /hour perhour"),
  ...aliases("d", "/d /day perday"),
};

function aliases(unit: string, names: string): Record<string, string> {
  return Object.fromEntries(names.split(" ").map((name) => [name, unit]));
}

/** Cuts the tail that binary fractions add to decimal ones (0.1 + 0.2). */
function round(value: number): number {
  return Number(value.toPrecision(15));
}

/** Digits without an exponent, as the patterns want them. */
function plain(value: number): string {
  const text = String(value);
  return /e/.test(text) ? value.toFixed(20).replace(/\.?0+$/, "") : text;
}
