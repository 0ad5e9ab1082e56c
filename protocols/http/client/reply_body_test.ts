import assert from "node:assert/strict";
import { ManualClock } from "../../../core/upstream/testdata/scripted.ts";
import { aheadBytes, type BodyOwner, ReplyBody } from "./reply_body.ts";
import { RawServer } from "./testdata/raw_server.ts";

function bodyWith(): { body: ReplyBody; said: string[]; clock: ManualClock } {
  const said: string[] = [];
  const owner: BodyOwner = {
    wanted: () => void said.push("wanted"),
    unwanted: () => void said.push("unwanted"),
    stalled: () => void said.push("stalled"),
  };
  const clock = new ManualClock();
  return { body: new ReplyBody(owner, clock, 1000), said, clock };
}

const piece = (length: number) => new Uint8Array(length).fill(1);

Deno.test("ReplyBody gives what was pushed in order, before and while it is read", async () => {
  const { body, said } = bodyWith();
  body.push(piece(1));
  const reader = body.stream().getReader();
  assert.equal((await reader.read()).value!.length, 1);
  const waiting = reader.read();
  body.push(piece(2));
  body.push(piece(3));
  assert.equal((await waiting).value!.length, 2);
  body.end();
  assert.equal((await reader.read()).value!.length, 3);
  assert.equal((await reader.read()).done, true);
  assert.deepEqual(said, []);
});

Deno.test("ReplyBody says when nothing came for too long, but not while its reader rests or after its end", async () => {
  const paused = bodyWith();
  paused.clock.advance(900);
  paused.body.push(piece(1));
  paused.clock.advance(900);
  assert.deepEqual(paused.said, []);
  paused.clock.advance(101);
  assert.deepEqual(paused.said, ["stalled"]);

  const full = bodyWith();
  full.body.push(piece(aheadBytes));
  full.clock.advance(10_000);
  assert.deepEqual(full.said, []);
  await full.body.stream().getReader().read();
  full.clock.advance(999);
  assert.deepEqual(full.said, ["wanted"]);
  full.clock.advance(1001);
  assert.deepEqual(full.said, ["wanted", "stalled"]);

  const ended = bodyWith();
  ended.body.end();
  const cancelled = bodyWith();
  cancelled.body.cancel();
  for (const { clock } of [ended, cancelled]) clock.advance(5000);
  assert.deepEqual([ended.said, cancelled.said], [[], ["unwanted"]]);
});

Deno.test("ReplyBody is full at its bound, and says once when there is room again", async () => {
  const { body, said } = bodyWith();
  const reader = body.stream().getReader();
  body.push(piece(aheadBytes - 1));
  assert.equal(body.full, false);
  body.push(piece(1));
  assert.equal(body.full, true);
  await reader.read();
  await reader.read();
  assert.deepEqual([body.full, said], [false, ["wanted"]]);
});

Deno.test("ReplyBody gives what came before it failed, then the error", async () => {
  const { body } = bodyWith();
  const reader = body.stream().getReader();
  body.push(piece(5));
  body.fail(new Error("cut"));
  assert.equal((await reader.read()).value!.length, 5);
  await assert.rejects(reader.read(), { message: "cut" });
  const late = bodyWith();
  const waiting = late.body.stream().getReader().read();
  late.body.fail(new Error("cut"));
  await assert.rejects(waiting, { message: "cut" });
});

Deno.test("ReplyBody tells once that nobody reads on, and nothing when it was complete", async () => {
  const { body, said } = bodyWith();
  const stream = body.stream();
  body.push(piece(aheadBytes));
  await stream.cancel();
  body.cancel();
  body.push(piece(1));
  assert.deepEqual([body.full, body.cancelled, said], [false, true, ["unwanted"]]);
  const whole = bodyWith();
  const complete = whole.body.stream();
  whole.body.end();
  await complete.cancel();
  assert.deepEqual(whole.said, []);
});

Deno.test("ReplyBody is cancelled when its stream is dropped unread", async () => {
  await using server = new RawServer(async (connection) => {
    await connection.hears("\r\n\r\n");
    await connection.says(`HTTP/1.1 200 OK\r\ncontent-length: 10000000\r\n\r\n`);
    await connection.says(piece(100_000));
    await connection.ends();
  });
  const script = new URL("testdata/dropped_body.ts", import.meta.url);
  const { stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--v8-flags=--expose-gc", script.href, server.address],
    signal: AbortSignal.timeout(30_000),
  }).output();
  assert.equal(new TextDecoder().decode(stdout), "streams\nended\n", new TextDecoder().decode(stderr));
});
