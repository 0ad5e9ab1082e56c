/**
 * Handlers of a consumer group that write down which records they had: 4 bytes per record, little-endian, appended to
 * a file of this process in WEIR_TEST_SEEN before the handler returns, so that it is there also after a SIGKILL.
 */
interface Numbered {
  value: { n: number };
}

const file = Deno.openSync(`${Deno.env.get("WEIR_TEST_SEEN")}/${Deno.pid}.bin`, { create: true, append: true });

export function many(records: readonly Numbered[]): void {
  const seen = new Uint32Array(records.length);
  for (let i = 0; i < records.length; i++) seen[i] = records[i]!.value.n;
  file.writeSync(new Uint8Array(seen.buffer));
}

export function one(record: Numbered): void {
  file.writeSync(new Uint8Array(Uint32Array.of(record.value.n).buffer));
}
