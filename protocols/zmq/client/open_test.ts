import assert from "node:assert/strict";
import { systemClock } from "../../../core/clock.ts";
import type { UpstreamError } from "../../../core/upstream_error.ts";
import { joinContext } from "../context.ts";
import { ZmqSocket } from "../socket.ts";
import { open, released } from "./open.ts";
import type { OpenHost } from "./open_socket.ts";

const plan = {
  zmq: {
    socket: "dealer",
    codec: "raw",
    hwm: { send: 10, receive: 10 },
    linger: 0,
    curve: null,
    signed: null,
  },
  limits: { reply: 1024 },
  timeouts: { connect: 5000 },
  pool: { heartbeat: 0 },
};

Deno.test("open() rejects when the connection ends before anybody has heard that it was there", async () => {
  const context = await joinContext();
  const router = new ZmqSocket(context, "router");
  router.set("linger", 0);
  assert.ok(router.bind("tcp://127.0.0.1:0"));
  const [, port] = /:(\d+)$/.exec(router.lastEndpoint())!;
  const host = {
    upstream: "u",
    plan,
    clock: systemClock,
    endpoint: { spec: { address: `127.0.0.1:${port}` } },
    changed() {},
  } as unknown as OpenHost;
  const opening = open(host).then((session) => session, (error: UpstreamError) => error);
  // It begins to connect; then this thread is busy until both the handshake and the end of the connection are over.
  for (let n = 0; n < 100; n++) await Promise.resolve();
  busy(200);
  router.close();
  busy(200);
  const outcome = await opening;
  assert.ok(outcome instanceof Error, "a session without a connection");
  assert.equal(outcome.failure, "connect");
  assert.match(outcome.message, /it ended the connection/);
  const left = context.leave();
  await Promise.all([released(), left]);
});

function busy(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}
