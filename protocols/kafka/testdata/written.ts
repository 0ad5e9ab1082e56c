/** Handlers of services in processes of their own: every record that is done is a line in a file that all share. */
import type { KafkaRecord } from "../record.ts";

/** Where to write, how long to work, and which record only returns when a file is there. */
interface Wanted {
  n: number;
  file: string;
  ms: number;
  until?: string;
}

/** One line: process, partition, number, begin and end as epoch ms. */
export default async function work({ value, partition }: KafkaRecord<Wanted>): Promise<void> {
  const begun = Date.now();
  if (value.ms > 0) await new Promise((resolve) => setTimeout(resolve, value.ms));
  while (value.until && !exists(value.until)) await new Promise((resolve) => setTimeout(resolve, 20));
  const line = `${Deno.pid} ${partition} ${value.n} ${begun} ${Date.now()}\n`;
  Deno.writeTextFileSync(value.file, line, { append: true });
}

function exists(path: string): boolean {
  try {
    Deno.statSync(path);
    return true;
  } catch {
    return false;
  }
}
