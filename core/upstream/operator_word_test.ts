import assert from "node:assert/strict";
import type { UpstreamCommand } from "../control.ts";
import { Endpoint } from "../endpoint.ts";
import type { Breaker, Breakers } from "./contract.ts";
import { type Operated, OperatorWord } from "./operator_word.ts";

function setUp(per: Breakers["per"] = "method") {
  const said: string[] = [];
  const made = new Map<string, Breaker>();
  const of = (key: string) => {
    const known = made.get(key);
    if (known) return known;
    const force = (state: string) => void said.push(`${key} ${state}`);
    const breaker = { key, force } as unknown as Breaker;
    made.set(key, breaker);
    return breaker;
  };
  const endpoints = new Map<string, Endpoint>();
  const target: Operated = {
    name: "users",
    endpoints,
    health: {
      eject: (endpoint, reason) => void said.push(`eject ${endpoint.key}: ${reason}`),
      restore: (endpoint, reason) => void said.push(`restore ${endpoint.key}: ${reason}`),
    },
    breakers: { per, of, list: () => [...made.values()] },
  };
  const add = (address: string, role: string | null = null) => {
    const endpoint = new Endpoint(endpoints.size, { address, role, weight: 1, priority: 0 });
    endpoints.set(endpoint.key, endpoint);
    return endpoint;
  };
  const word = new OperatorWord();
  const tell = (action: UpstreamCommand["action"], what = "", reason = "") => {
    const ofEndpoint = action === "eject" || action === "restore";
    const aim = ofEndpoint ? { endpoint: what, breaker: "" } : { endpoint: "", breaker: what };
    word.obey({ type: "upstreamCommand", upstream: "users", action, ...aim, reason }, target);
    return said.splice(0);
  };
  return { word, target, said, add, tell, of };
}

Deno.test("obey() ejects and restores the endpoint that is meant", () => {
  const { add, tell } = setUp();
  add("a:1");
  add("a:1", "replica");
  assert.deepEqual(tell("eject", "a:1 replica", "slow"), ["eject a:1 replica: slow"]);
  assert.deepEqual(tell("restore", "a:1 replica", "well"), ["restore a:1 replica: well"]);
  assert.deepEqual(tell("eject", "b:1"), []);
});

Deno.test("added() ejects what was ejected by hand before it came, or came back", () => {
  const { word, target, said, add, tell } = setUp();
  tell("eject", "late:1", "slow");
  const [late, other] = [add("late:1"), add("other:1")];
  word.added([late, other], target);
  assert.deepEqual(said.splice(0), ["eject late:1: slow"]);
  tell("restore", "late:1");
  word.added([late, other], target);
  assert.deepEqual(said, []);
});

Deno.test("obey() forces one breaker, or all and those to come", () => {
  const { word, target, said, tell, of } = setUp();
  of("GET");
  of("PUT");
  assert.deepEqual(tell("open", "GET"), ["GET open"]);
  assert.deepEqual(tell("close"), ["GET closed", "PUT closed"]);
  word.tick(target);
  assert.deepEqual(said, []);
  of("DELETE");
  word.tick(target);
  word.tick(target);
  assert.deepEqual(said.splice(0), ["DELETE closed"]);
  assert.deepEqual(tell("auto", "POST"), ["POST auto"]);
  word.tick(target);
  assert.deepEqual(said, []);
  assert.deepEqual(tell("auto"), ["GET auto", "PUT auto", "DELETE auto", "POST auto"]);
  of("PATCH");
  word.tick(target);
  assert.deepEqual(said, []);
});

Deno.test("obey() forces the breaker of an upstream before its first call", () => {
  assert.deepEqual(setUp("upstream").tell("open"), ["users open"]);
  const { word, target, tell } = setUp();
  assert.deepEqual(tell("open"), []);
  word.obey({ ...open, breaker: "GET" }, { ...target, breakers: undefined });
  word.tick({ ...target, breakers: undefined });
});

const open: UpstreamCommand = {
  type: "upstreamCommand",
  upstream: "users",
  action: "open",
  endpoint: "",
  breaker: "",
  reason: "",
};
