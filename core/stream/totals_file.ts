/**
 * What was counted of lanes that are gone: JSON, replaced as a whole. It remembers which lanes it took in lately, so that
 * a lane whose folder outlived the end of its shipper is not counted twice.
 */
import { join } from "node:path";

/** Figures of all lanes that are gone. */
export interface Totals {
  sent: number;
  acked: number;
  failed: number;
  dropped: number;
  damagedBytes: number;
  /** Epoch ms; 0 before the first acknowledgement. */
  ackedAt: number;
}

const figures = ["sent", "acked", "failed", "dropped", "damagedBytes", "ackedAt"] as const;
const rememberedLanes = 256;

/** Reads, adds and writes. */
export class TotalsFile {
  readonly #path: string;
  #totals: Totals = { sent: 0, acked: 0, failed: 0, dropped: 0, damagedBytes: 0, ackedAt: 0 };
  #lanes: Array<[lane: string, through: number]> = [];

  constructor(folder: string) {
    this.#path = join(folder, "totals");
  }

  get totals(): Readonly<Totals> {
    return this.#totals;
  }

  /** The last sequence of a lane that is counted here already. */
  through(lane: string): number | undefined {
    return this.#lanes.findLast(([name]) => name === lane)?.[1];
  }

  /** Reads what is there; false where that is damaged: it is put aside, and counting begins anew. */
  load(): boolean {
    let text: string;
    try {
      text = Deno.readTextFileSync(this.#path);
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return true;
      throw error;
    }
    const read = parse(text);
    if (read === undefined) {
      Deno.renameSync(this.#path, `${this.#path}.damaged`);
      return false;
    }
    this.#totals = read.totals;
    this.#lanes = read.lanes;
    return true;
  }

  /** Adds a lane whose last sequence is `through` and writes; throws where the disk does not take it, and then nothing is added. */
  add(lane: string, through: number, counts: Totals): void {
    const totals = { ...this.#totals };
    for (const figure of figures) totals[figure] += counts[figure];
    totals.ackedAt = Math.max(this.#totals.ackedAt, counts.ackedAt);
    const lanes = [...this.#lanes, [lane, through] as [string, number]].slice(-rememberedLanes);
    const temporary = `${this.#path}.new`;
    {
      using file = Deno.openSync(temporary, { write: true, create: true, truncate: true, mode: 0o600 });
      const bytes = new TextEncoder().encode(`${JSON.stringify({ version: 1, ...totals, lanes })}\n`);
      for (let at = 0; at < bytes.length;) at += file.writeSync(bytes.subarray(at));
      file.syncDataSync();
    }
    Deno.renameSync(temporary, this.#path);
    this.#totals = totals;
    this.#lanes = lanes;
  }
}

function parse(text: string): { totals: Totals; lanes: Array<[string, number]> } | undefined {
  let value: Record<string, unknown>;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (typeof value !== "object" || value === null || !Array.isArray(value.lanes)) return undefined;
  const totals: Partial<Totals> = {};
  for (const figure of figures) {
    const number = value[figure];
    if (typeof number !== "number" || !(number >= 0)) return undefined;
    totals[figure] = number;
  }
  return { totals: totals as Totals, lanes: value.lanes.filter(isLane) };
}

function isLane(value: unknown): value is [string, number] {
  return Array.isArray(value) && typeof value[0] === "string" && typeof value[1] === "number";
}
