import assert from "node:assert/strict";
import { Booted, planOf } from "./testdata/boot.ts";

const upstreams = {
  users: { protocol: "http", discover: { static: ["127.0.0.1:1"] }, breaker: {} },
  plain: { protocol: "http", discover: { static: ["127.0.0.1:1"] } },
};
const eject = {
  type: "upstreamCommand",
  upstream: "users",
  action: "eject",
  endpoint: "127.0.0.1:1",
  breaker: "",
  reason: "it burns",
};

Deno.test("Supervisor passes commands for upstreams on to every worker, and logs the reason", async () => {
  await using booted = new Booted({ plan: planOf({ count: 2 }, { upstreams }) });
  await booted.supervisor.ready;
  assert.deepEqual(await booted.supervisor.command(eject), { ok: true, workers: 2 });
  const got = (id: number) => `worker ${id} got ${JSON.stringify(eject)}`;
  await booted.until(() => booted.text.includes(got(1)) && booted.text.includes(got(2)));
  const [record] = booted.records("upstream users: eject");
  assert.deepEqual([record!.level, record!.endpoint, record!.reason], ["warning", "127.0.0.1:1", "it burns"]);
});

Deno.test("Supervisor tells a worker that starts later what was not taken back", async () => {
  await using booted = new Booted({ plan: planOf({}, { upstreams }) });
  await booted.supervisor.ready;
  await booted.supervisor.command(eject);
  await booted.supervisor.command({ ...eject, endpoint: "127.0.0.1:2", reason: "first" });
  await booted.supervisor.command({ ...eject, endpoint: "127.0.0.1:2", action: "restore", reason: "second" });
  await booted.until(() => booted.text.includes('"reason":"second"}'));
  const before = booted.text.length;
  await booted.ask("/crash");
  await booted.until(() => booted.text.slice(before).includes(`worker 1 got ${JSON.stringify(eject)}`));
  const [old] = booted.status.exits;
  await booted.until(() =>
    booted.status.children.find(({ pid, state }) => state === "ready" && pid !== old?.pid)
  );
  assert.ok(!booted.text.slice(before).includes("127.0.0.1:2"));
});

Deno.test("Supervisor refuses commands for upstreams that make no sense", async () => {
  await using booted = new Booted({ plan: planOf({}, { upstreams }) });
  await booted.supervisor.ready;
  const open = { ...eject, action: "open", endpoint: "" };
  const wrong: [object, RegExp][] = [
    [{ ...eject, upstream: "nobody" }, /there is no upstream "nobody"/],
    [{ ...eject, upstream: "__proto__" }, /there is no upstream/],
    [{ ...eject, action: "explode" }, /`action` must be one of eject, restore, open, close, auto/],
    [{ ...eject, endpoint: "" }, /needs an `endpoint`/],
    [{ ...eject, reason: "x".repeat(301) }, /`reason` must be a line of at most 300 characters/],
    [{ ...eject, reason: "two\nlines" }, /`reason` must be a line/],
    [{ ...eject, endpoint: 7 }, /`endpoint` must be a line/],
    [{ ...open, upstream: "plain" }, /plain has no breaker/],
  ];
  for (const [command, message] of wrong) {
    await assert.rejects(booted.supervisor.command(command as typeof eject), message);
  }
  assert.deepEqual(await booted.supervisor.command(open), { ok: true, workers: 1 });
  await booted.until(() => booted.text.includes('"action":"open"'));
  assert.equal(booted.text.match(/worker 1 got/g)!.length, 1);
});
