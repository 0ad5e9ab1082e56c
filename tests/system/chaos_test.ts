import assert from "node:assert/strict";
import { failures } from "../../core/upstream_error.ts";
import { chaos } from "./chaos.ts";

/** Refusals that say what the upstream did, or that this worker would not ask; 503 is the backend's own. */
const refusals = new Set<string>([...Object.values(failures), "503"]);
/** Kinds whose reply has begun before all of it is there. */
const streamed = new Set(["proxy", "tls proxy", "passed on", "proxy body", "tls body", "fetch body"]);

/** Whether a request may end so while everything goes wrong. */
function isAllowed(end: string): boolean {
  const [, kind, how, text = ""] = /^(.+?) (right|left|refused|cut|wrong)(?: (.*))?$/.exec(end)!;
  if (how === "right" || how === "left") return true;
  if (how === "refused") return refusals.has(text);
  if (how !== "cut") return false;
  // A body that was refused on the way: the kernel tells the client so before it has read the refusal.
  if (text.startsWith("ConnectionReset") || text.startsWith("BrokenPipe")) return kind!.endsWith("body");
  return text === "body" && streamed.has(kind!);
}

Deno.test("upstreams mix nothing up and leave nothing behind, whatever backends, discovery, operators and clients do", async () => {
  const seed = Number(Deno.env.get("WEIR_CHAOS_SEED") ?? Math.floor(Math.random() * 1e6));
  console.log(`WEIR_CHAOS_SEED=${seed}`);
  const figures = await chaos({ seed, seconds: 20, clients: 24, eventMs: 100 });
  const { ends, wrong, events, after, left, busy, sockets, heap, unhandled } = figures;
  assert.deepEqual(wrong, []);
  assert.deepEqual(Object.keys(ends).filter((end) => !isAllowed(end)), []);
  assert.deepEqual(unhandled, []);
  assert.deepEqual(after, { right: 200 }, "not all is well afterwards");
  assert.deepEqual({ ...left, busy }, { calls: 0, attempts: 0, waiters: 0, dialling: 0, busy: 0 });
  // Signals and child processes may have made some of their own.
  assert.ok(sockets.after <= sockets.before + 4, JSON.stringify(sockets));
  assert.ok(heap.after - heap.before < 16 * 1024 * 1024, JSON.stringify(heap));
  // Otherwise nothing was put to the test.
  const sum = (how: string) =>
    Object.entries(ends).reduce((all, [end, n]) => end.includes(how) ? all + n : all, 0);
  assert.ok(sum(" right") > 500 && sum(" refused ") > 50 && sum(" left") > 20, JSON.stringify(ends));
  assert.ok(Object.keys(events).length >= 10, JSON.stringify(events));
});
