/** Splits users over the variants of experiments: always the same one for the same user. */
import { type Context, ThriftException } from "../../mod.ts";

interface Assignment {
  experiment: string;
  variant: string;
  bucket: number;
}

const experiments: Readonly<Record<string, readonly string[]>> = {
  button: ["green", "blue"],
  checkout: ["old", "new", "newest"],
};
const seen = new Map<string, number>();

export default {
  split({ experiment, user }: { experiment: string; user: string }, { stats }: Context): Assignment {
    const variants = experiments[experiment];
    // Declared in the IDL, so it travels as what it is.
    if (!variants) throw new ThriftException("UnknownExperiment", { experiment });
    const bucket = hash(`${experiment} ${user}`) % 1000;
    const variant = variants[Math.floor(bucket * variants.length / 1000)]!;
    stats.counter("assignments", 1, { variant });
    return { experiment, variant, bucket };
  },

  /** Oneway: nobody waits for it. */
  seen({ assignment }: { assignment: Assignment }): void {
    const key = `${assignment.experiment}.${assignment.variant}`;
    seen.set(key, (seen.get(key) ?? 0) + 1);
  },

  counts: (): Map<string, number> => seen,
};

/** FNV-1a. */
function hash(text: string): number {
  let hash = 0x811c9dc5;
  for (let at = 0; at < text.length; at++) hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193);
  return hash >>> 0;
}
