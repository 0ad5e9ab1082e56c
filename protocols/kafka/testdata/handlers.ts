/** Handlers of the tests in this process; what they were given is kept in `seen`. */
import type { Context } from "../../../core/context.ts";
import type { KafkaRecord } from "../record.ts";

/** One call as a handler has seen it. */
export interface Seen {
  records: KafkaRecord[];
  id: string;
  trace: string | undefined;
}

/** What the test decides, between calls. */
export const control = {
  seen: [] as Seen[],
  running: 0,
  mostRunning: 0,
  /** By partition. */
  runningOf: new Map<number, number>(),
  mostOf: 0,
  /** What a call waits for. */
  work: (_value: unknown): unknown => undefined,
};

/** Forgets what an earlier test has left. */
export function resetControl(): void {
  Object.assign(control, { seen: [], running: 0, mostRunning: 0, runningOf: new Map(), mostOf: 0 });
  control.work = () => undefined;
}

/** Keeps what it is given, then does the work that the test wants. */
export default async function keep(input: KafkaRecord | KafkaRecord[], context: Context): Promise<void> {
  const records = Array.isArray(input) ? input : [input];
  const { partition } = records[0]!;
  const { runningOf } = control;
  control.running++;
  control.mostRunning = Math.max(control.mostRunning, control.running);
  runningOf.set(partition, (runningOf.get(partition) ?? 0) + 1);
  control.mostOf = Math.max(control.mostOf, runningOf.get(partition)!);
  control.seen.push({ records, id: context.request.id, trace: context.request.trace });
  try {
    await control.work(records[0]!.value);
  } finally {
    control.running--;
    runningOf.set(partition, runningOf.get(partition)! - 1);
  }
}

/** Answers at once. */
export function quick(record: KafkaRecord): void {
  control.seen.push({ records: [record], id: "", trace: undefined });
}

/** On a pool thread: fails for what says so, and writes what it was given to the file that the value names. */
export async function write(input: KafkaRecord<{ file: string; n: number }> | KafkaRecord[]): Promise<void> {
  const records = (Array.isArray(input) ? input : [input]) as KafkaRecord<{ file: string; n: number }>[];
  for (const { value, key, headers, offset } of records) {
    const text = key && new TextDecoder().decode(key);
    await Deno.writeTextFile(value.file, `${JSON.stringify([value.n, text, headers, String(offset)])}\n`, {
      append: true,
    });
  }
}

/** Does nothing. */
export function none(): void {}
