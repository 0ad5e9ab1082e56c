/** Statistics of a process that cannot map the shared file: a copy of its slot over the channel, once a second. */
import type { Channel } from "../channel.ts";
import type { SlotWriter } from "../stats/mod.ts";

const everyMs = 1000;
const chunk = 0x8000;

/** Sends until the channel closes. */
export function sendSnapshots(channel: Channel, stats: SlotWriter, slot: number): void {
  const timer = setInterval(() => {
    if (channel.closed) return clearInterval(timer);
    channel.send({ type: "snapshot", slot, bytes: base64(stats.snapshot()) });
  }, everyMs);
}

function base64(bytes: Uint8Array): string {
  let text = "";
  for (let i = 0; i < bytes.length; i += chunk) text += String.fromCharCode(...bytes.subarray(i, i + chunk));
  return btoa(text);
}
