import assert from "node:assert/strict";
import type { Accepted } from "./guard.ts";
import { acceptLoop, listenNative } from "./listen_native.ts";
import { listenNode } from "./listen_node.ts";
import { acceptBackoffMs, type ListenOptions } from "./listening.ts";

const conn = () => ({ remoteAddr: { transport: "tcp", hostname: "10.0.0.1", port: 9 } }) as Deno.Conn;

/** Accepts what `script` says, one after the other, until it is used up. */
async function run(script: Array<Deno.Conn | Error>, onAccept: (accepted: Accepted) => void = () => {}) {
  const state = { closed: false, acceptedAt: -Infinity };
  const pauses: number[] = [];
  const errors: unknown[] = [];
  const accept = () => {
    const next = script.shift();
    if (next === undefined) state.closed = true;
    return next === undefined || next instanceof Error ? Promise.reject(next) : Promise.resolve(next);
  };
  await acceptLoop({ accept }, { onAccept, onError: (error) => void errors.push(error) }, state, (ms) => {
    pauses.push(ms);
    return Promise.resolve();
  });
  return { pauses, errors };
}

Deno.test("acceptLoop() backs off while accepting fails, and starts over once it works again", async () => {
  const full = () => new Error("Too many open files (os error 24)");
  let accepted = 0;
  const { pauses, errors } = await run(
    [full(), full(), full(), conn(), full(), conn()],
    () => void accepted++,
  );
  assert.deepEqual(pauses, [10, 20, 40, 10]);
  assert.deepEqual([accepted, errors.length], [2, 4]);
});

Deno.test("acceptLoop() goes on when a connection cannot be taken", async () => {
  let accepted = 0;
  const { pauses, errors } = await run([conn(), conn()], () => {
    if (accepted++ === 0) throw new Error("reset before it was served");
  });
  assert.deepEqual([accepted, errors.length, pauses], [2, 1, []]);
});

Deno.test("acceptBackoffMs() doubles from 10 ms to a second", () => {
  assert.deepEqual([1, 2, 3, 8, 100].map(acceptBackoffMs), [10, 20, 40, 1000, 1000]);
});

for (const listen of [listenNative, listenNode]) {
  const options = (path: string): ListenOptions => ({
    address: { transport: "unix", path },
    backlog: 8,
    reusePort: false,
    alpn: [],
    handshakes: { timeoutMs: 1000, most: 8 },
    onCut: () => {},
    onAccept: ({ stream }) => stream.close(),
    onError: (error) => assert.fail(String(error)),
  });

  Deno.test(`${listen.name}() takes the place of a socket file that nobody listens on, and takes its own away`, async () => {
    const folder = await Deno.makeTempDir();
    const path = `${folder}/a.sock`;
    // The runtime takes the file away when it closes; a second name of it stays, as after a crash.
    const gone = Deno.listen({ transport: "unix", path: `${folder}/gone.sock` });
    await Deno.link(`${folder}/gone.sock`, path);
    gone.close();
    assert.ok(Deno.lstatSync(path).isSocket);
    const listening = await listen(options(path));
    assert.equal(listening.address, `unix:${path}`);
    assert.equal(Deno.lstatSync(path).mode! & 0o777, 0o660);
    (await Deno.connect({ transport: "unix", path })).close();
    listening.close();
    listening.close();
    await assert.rejects(Deno.lstat(path), Deno.errors.NotFound);
    await Deno.remove(folder, { recursive: true });
  });

  Deno.test(`${listen.name}() leaves a socket alone that somebody listens on, and any other file`, async () => {
    const folder = await Deno.makeTempDir();
    const path = `${folder}/a.sock`;
    const other = Deno.listen({ transport: "unix", path });
    await assert.rejects(listen(options(path)), /somebody listens there/);
    (await Deno.connect({ transport: "unix", path })).close();
    other.close();
    await Deno.writeTextFile(`${folder}/file`, "kept");
    await assert.rejects(listen(options(`${folder}/file`)), /a file that is no socket/);
    assert.equal(await Deno.readTextFile(`${folder}/file`), "kept");
    await Deno.remove(folder, { recursive: true });
  });
}
