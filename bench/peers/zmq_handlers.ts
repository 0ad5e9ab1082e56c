import type { ZmqMessage } from "../../mod.ts";

let bytes = 0;

export function count({ value }: ZmqMessage<Uint8Array>): void {
  bytes += value.length;
}

export function echo({ value }: ZmqMessage<Uint8Array>): Uint8Array {
  return value;
}

export function total(): number {
  return bytes;
}
