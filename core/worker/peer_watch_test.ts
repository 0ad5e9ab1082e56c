import assert from "node:assert/strict";
import { peerWatch } from "./peer_watch.ts";

const watch = peerWatch()!;
// deno-lint-ignore no-explicit-any
const fdSymbol = (Deno as any)[(Deno as any).internal].core.internalFdSymbol;
let now = 1e9;

/** A client, the connection that was accepted from it, and what is seen of that. */
async function pair() {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const client = await Deno.connect({ hostname: "127.0.0.1", port: listener.addr.port });
  const served = await listener.accept();
  const seen = { departed: false };
  const number = watch.add((served as unknown as Record<symbol, number>)[fdSymbol]!, seen);
  assert.ok(number > 0);
  return { client, served, seen, number };
}

async function eventually(holds: () => boolean): Promise<void> {
  for (let i = 0; i < 400 && !holds(); i++) await new Promise((resolve) => setTimeout(resolve, 5));
  assert.ok(holds());
}

function look(): void {
  watch.look(now += 1);
}

Deno.test("PeerWatch.look() finds the peer that has closed its side, and no other", async () => {
  const one = await pair();
  const other = await pair();
  await one.client.write(new Uint8Array(10));
  look();
  assert.deepEqual([one.seen.departed, other.seen.departed], [false, false]);
  await one.client.closeWrite();
  await eventually(() => {
    look();
    return one.seen.departed;
  });
  assert.equal(other.seen.departed, false);
  for (const conn of [one.client, one.served, other.client, other.served]) conn.close();
});

Deno.test("PeerWatch.add() watches a connection whose peer has left before", async () => {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  using client = await Deno.connect({ hostname: "127.0.0.1", port: listener.addr.port });
  using served = await listener.accept();
  await client.closeWrite();
  assert.equal(await served.read(new Uint8Array(1)), null);
  const seen = { departed: false };
  assert.ok(watch.add((served as unknown as Record<symbol, number>)[fdSymbol]!, seen) > 0);
  look();
  assert.equal(seen.departed, true);
});

Deno.test("PeerWatch.look() finds more peers than one question does", async () => {
  const pairs = await Promise.all(Array.from({ length: 150 }, pair));
  for (const { client } of pairs) client.close();
  await eventually(() => {
    look();
    return pairs.every(({ seen }) => seen.departed);
  });
  for (const { served } of pairs) served.close();
});

Deno.test("PeerWatch.look() asks again only after a moment", async () => {
  const { client, served, seen } = await pair();
  look();
  client.close();
  assert.equal(await served.read(new Uint8Array(1)), null);
  watch.look(now + 0.1);
  assert.equal(seen.departed, false);
  watch.look(now += 0.3);
  assert.equal(seen.departed, true);
  served.close();
});

Deno.test("PeerWatch.forget() is the end of it, also where the descriptor is given out again", async () => {
  const first = await pair();
  watch.forget(first.number);
  first.client.close();
  assert.equal(await first.served.read(new Uint8Array(1)), null);
  look();
  assert.equal(first.seen.departed, false);
  first.served.close();
  const second = await pair();
  look();
  assert.equal(second.seen.departed, false);
  second.client.close();
  await eventually(() => {
    look();
    return second.seen.departed;
  });
  assert.equal(first.seen.departed, false);
  second.served.close();
});

Deno.test("PeerWatch.add() takes no descriptor that is none", () => {
  assert.equal(watch.add(-1, { departed: false }), 0);
  assert.equal(watch.add(1_000_000, { departed: false }), 0);
});
