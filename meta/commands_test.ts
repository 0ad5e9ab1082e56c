/** Who may do what: commands, token, Host and Origin, against a real governor. */

import assert from "node:assert/strict";
import type { ChannelMessage } from "../core/channel.ts";
import { asked, form, get, paths, raw, startBusy, token } from "./testdata/ask.ts";
import { type FakeSupervisor, startFake } from "./testdata/fake_supervisor.ts";

function told(action: string, endpoint: string, breaker: string, reason: string): ChannelMessage {
  return { type: "upstreamCommand", upstream: "users", action, endpoint, breaker, reason };
}

/** Every POST, with fields it takes, and what the supervisor must get for it. */
const commands: [string, string, ChannelMessage][] = [
  ["/reload", "wait=1", { type: "reload", wait: true }],
  ["/reload", "wait=0", { type: "reload", wait: false }],
  ["/drain", "", { type: "drain" }],
  ["/workers/1/restart", "", { type: "restartWorker", id: 1 }],
  ["/logs/level", "logger=access.*&level=debug&ttl=90s", {
    type: "logLevel",
    logger: "access.*",
    level: "debug",
    ttlMs: 90_000,
  }],
  ["/logs/reopen", "", { type: "reopenLogs" }],
  [
    "/upstreams/users/eject",
    "endpoint=10.0.0.3:80+replica&reason=slow+disk",
    told("eject", "10.0.0.3:80 replica", "", "slow disk"),
  ],
  ["/upstreams/users/restore", "endpoint=10.9.9.9:80", told("restore", "10.9.9.9:80", "", "")],
  ["/upstreams/users/open", "reason=maintenance", told("open", "", "", "maintenance")],
  ["/upstreams/users/close", "breaker=GET", told("close", "", "GET", "")],
  ["/upstreams/users/auto", "breaker=&reason=", told("auto", "", "", "")],
];
Deno.test("governor forwards commands that carry the token, in a header or in a form", async () => {
  await using fake = await startBusy();
  for (const [path, fields, message] of commands) {
    const bearer = { ...form, authorization: `Bearer ${token}` };
    const answer = await get(fake, path, { method: "POST", body: fields, headers: bearer });
    assert.equal(answer.status, 200, answer.text);
    assert.deepEqual(asked(fake).at(-1), message);
    const body = new URLSearchParams(fields);
    body.set("token", token);
    assert.equal((await get(fake, path, { method: "POST", body, headers: form })).status, 200);
    assert.deepEqual(asked(fake).at(-1), message);
  }
  assert.equal(asked(fake).length, commands.length * 2);
});

Deno.test("governor changes nothing without the token, from another origin, or by GET", async () => {
  await using fake = await startBusy();
  const bearer = { authorization: `Bearer ${token}` };
  for (const [path, body] of commands) {
    const post = (headers: Record<string, string>) => get(fake, path, { method: "POST", body, headers });
    assert.equal((await post(form)).status, 401);
    assert.equal((await post({ ...form, authorization: "Bearer nearly" })).status, 401);
    assert.equal((await post({ ...form, authorization: `Basic ${btoa(`x:${token}`)}` })).status, 401);
    assert.equal((await post({ ...form, ...bearer, origin: "https://evil.example" })).status, 403);
    assert.equal(
      (await get(fake, `${path}?${body}`, { headers: bearer })).status,
      405,
    );
    assert.equal(
      (await get(fake, path, { method: "PUT", body, headers: { ...form, ...bearer } })).status,
      405,
    );
  }
  for (const path of paths) {
    await get(fake, path, { headers: bearer });
    assert.equal((await get(fake, path, { method: "POST", headers: bearer })).status, 405, path);
  }
  const wrong = [
    ["/logs/level", "logger=x&level=loud"],
    ["/logs/level", "logger=x&level=info&ttl=soon"],
    ["/logs/level", "logger=%00&level=info"],
    ["/workers/9/restart", ""],
    ["/workers/one/restart", ""],
    ["/upstreams/nobody/eject", "endpoint=10.0.0.1:80"],
    ["/upstreams/__proto__/open", ""],
    ["/upstreams/users/eject", ""],
    ["/upstreams/users/eject", "endpoint=10.9.9.9:80"],
    ["/upstreams/users/eject", "endpoint=10.0.0.3:80"],
    ["/upstreams/users/eject", "endpoint=10.0.0.1:80&reason=two%0Alines"],
    ["/upstreams/users/open", `reason=${"x".repeat(301)}`],
    ["/upstreams/users/open", "breaker=%1b"],
    ["/upstreams/cache/open", ""],
    ["/upstreams/users/explode", ""],
  ] as const;
  for (const [path, body] of wrong) {
    const { status } = await get(fake, path, { method: "POST", body, headers: { ...form, ...bearer } });
    assert.ok(status === 400 || status === 404, `${path}?${body}: ${status}`);
  }
  const large = await get(fake, "/reload", {
    method: "POST",
    body: "x".repeat(65_537),
    headers: { ...form, ...bearer },
  });
  assert.equal(large.status, 413);
  assert.deepEqual(asked(fake), []);
});

Deno.test("governor passes on what the supervisor refuses", async () => {
  await using fake = await startBusy({
    answer: (message) =>
      message.type === "reload" ? new Error(`line 3: bad ${token}`) : { ok: false, message: "busy" },
  });
  const post = (path: string) =>
    get(fake, path, { method: "POST", headers: { authorization: `Bearer ${token}` } });
  const reload = await post("/reload");
  assert.deepEqual([reload.status, reload.text], [502, "line 3: bad [redacted]\n"]);
  const drain = await post("/drain");
  assert.equal(drain.status, 502);
  assert.match(drain.text, /busy/);
});

Deno.test("governor refuses all writes when no token is set, and says what to do", async () => {
  await using fake = await startFake();
  const answer = await get(fake, "/drain", { method: "POST", headers: { authorization: "Bearer " } });
  assert.equal(answer.status, 403);
  assert.match(answer.text, /Set `meta\.token`/);
  assert.match((await get(fake, "/?format=html")).text, /Set meta\.token in the manifest/);
  assert.doesNotMatch((await get(fake, "/?format=html")).text, /method="post"/);
  assert.deepEqual(asked(fake), []);
});

Deno.test("governor does not answer for a Host that was rebound to it", async () => {
  await using fake = await startBusy();
  for (const path of ["/", "/livez", "/assets/meta.css", "/nowhere"]) {
    const answer = await raw(fake, `GET ${path} HTTP/1.1\nHost: evil.example\nConnection: close`);
    assert.match(answer, /^HTTP\/1\.1 421 /, path);
    assert.doesNotMatch(answer, /shop/);
  }
  assert.match(await raw(fake, "GET / HTTP/1.1\nHost: localhost:80\nConnection: close"), /^HTTP\/1\.1 200 /);
  assert.match(
    await raw(fake, "GET http://evil.example/ HTTP/1.1\nHost: localhost\nConnection: close"),
    /^HTTP\/1\.1 421 /,
  );
});

Deno.test("governor wants the token for everything when others can reach it", async () => {
  await using fake = await startFake({ meta: { listen: "0.0.0.0:0", token } });
  const local: FakeSupervisor = { ...fake, base: fake.base.replace("0.0.0.0", "127.0.0.1") };
  for (const path of ["/", "/livez", "/metrics", "/assets/meta.css", "/nowhere"]) {
    assert.equal((await get(local, path)).status, 401, path);
  }
  assert.equal((await get(local, "/", { headers: { authorization: `Bearer ${token}` } })).status, 200);
  assert.equal(
    (await get(local, "/", { headers: { authorization: `Basic ${btoa(`me:${token}`)}` } })).status,
    200,
  );
});
