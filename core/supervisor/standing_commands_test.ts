import assert from "node:assert/strict";
import fc from "fast-check";
import { upstreamActions, type UpstreamCommand } from "../control.ts";
import { StandingCommands } from "./standing_commands.ts";

function command(action: UpstreamCommand["action"], what = "", upstream = "users"): UpstreamCommand {
  const ofEndpoint = action === "eject" || action === "restore";
  const target = ofEndpoint ? { endpoint: what, breaker: "" } : { endpoint: "", breaker: what };
  return { type: "upstreamCommand", upstream, action, ...target, reason: "" };
}

function standing(...commands: UpstreamCommand[]): string[] {
  const all = new StandingCommands();
  for (const one of commands) assert.ok(all.take(one));
  return all.of({ users: {}, cache: {} }).map(({ action, endpoint, breaker }) =>
    `${action} ${endpoint}${breaker}`
  );
}

Deno.test("take() keeps what was not taken back", () => {
  assert.deepEqual(standing(command("eject", "a"), command("eject", "b"), command("restore", "a")), [
    "eject b",
  ]);
  assert.deepEqual(standing(command("open", "GET"), command("close", "GET")), ["close GET"]);
  assert.deepEqual(standing(command("open", "GET"), command("auto", "GET")), []);
  assert.deepEqual(standing(command("restore", "a"), command("auto", "GET"), command("auto")), []);
});

Deno.test("take() lets a word about all breakers replace those about single ones, but not about endpoints", () => {
  const before = [command("open", "GET"), command("close", "POST"), command("eject", "a")];
  assert.deepEqual(standing(...before, command("open")), ["eject a", "open "]);
  assert.deepEqual(standing(...before, command("auto")), ["eject a"]);
  assert.deepEqual(standing(command("open"), command("auto", "GET")), ["open ", "auto GET"]);
});

Deno.test("of() leaves out upstreams that are not declared", () => {
  const all = new StandingCommands();
  all.take(command("eject", "a", "gone"));
  all.take(command("eject", "a", "users"));
  assert.deepEqual(all.of({ users: {} }).map(({ upstream }) => upstream), ["users"]);
  assert.deepEqual(all.of({}), []);
});

Deno.test("take() refuses the thousand-and-first, but never to take something back", () => {
  const all = new StandingCommands();
  for (let n = 0; n < 1000; n++) assert.ok(all.take(command("eject", `${n}`)));
  assert.ok(!all.take(command("eject", "more")));
  assert.ok(
    all.take(command("eject", "7")) && all.take(command("restore", "8")) &&
      all.take(command("eject", "more")),
  );
  assert.equal(all.of({ users: {} }).length, 1000);
});

Deno.test("who hears what stands ends where who heard everything ends", () => {
  const any = fc.record({
    action: fc.constantFrom(...upstreamActions),
    what: fc.constantFrom("", "x", "y"),
    upstream: fc.constantFrom("users", "cache"),
  }).map(({ action, what, upstream }) =>
    command(action, action === "eject" || action === "restore" ? what || "z" : what, upstream)
  );
  fc.assert(fc.property(fc.array(any), (commands) => {
    const all = new StandingCommands();
    for (const one of commands) all.take(one);
    assert.deepEqual(applied(all.of({ users: {}, cache: {} })), applied(commands));
  }));
});

/** What a worker with breakers x and y makes of commands. */
function applied(commands: readonly UpstreamCommand[]): Record<string, string> {
  const state: Record<string, string> = {};
  for (const { upstream, action, endpoint, breaker } of commands) {
    if (action === "eject" || action === "restore") state[`${upstream} ${endpoint}`] = action;
    else {for (const key of breaker === "" ? ["x", "y"] : [breaker]) {
        state[`${upstream} breaker ${key}`] = action;
      }}
  }
  return Object.fromEntries(
    Object.entries(state).filter(([, action]) => action !== "restore" && action !== "auto").sort(),
  );
}
