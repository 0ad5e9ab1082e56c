import assert from "node:assert/strict";
import type { ChannelMessage } from "../channel.ts";
import type { Child } from "./child.ts";
import type { SupervisorEvent } from "./event.ts";
import type { ServiceState } from "./service_state.ts";
import { steerAway, unsteer } from "./steer.ts";

/** What steer.ts sees of a service: two workers, of which the second answers when it is told to. */
function service() {
  const events: SupervisorEvent[] = [];
  const asked: string[] = [];
  const answers: PromiseWithResolvers<unknown>[] = [];
  let timeout = () => {};
  const channel = {
    request(message: ChannelMessage) {
      asked.push(message.type);
      answers.push(Promise.withResolvers());
      return answers.at(-1)!.promise;
    },
  };
  const child = (serial: number) => ({ serial, channel }) as unknown as Child;
  const state = {
    groups: { places: () => ({ "127.0.0.1:1": { self: 0, size: 2 } }) },
    children: new Map([[2, child(2)]]),
    clock: {
      after(_ms: number, callback: () => void) {
        timeout = callback;
        return () => timeout = () => {};
      },
    },
    queue: { push: (event: SupervisorEvent) => events.push(event) },
  } as unknown as ServiceState;
  return { state, child, events, asked, answers, timeout: () => timeout() };
}

Deno.test("steerAway() is sure of what a worker answers in time", async () => {
  const { state, child, events, answers, timeout } = service();
  steerAway(state, child(1), child(2));
  assert.equal(state.steered, 1);
  assert.equal(state.steeringBusy, true);
  answers[0]!.resolve(null);
  await answers[0]!.promise;
  timeout();
  assert.deepEqual(events, [{ type: "steered", unsure: false }]);
});

Deno.test("unsteer() is unsure when the worker is late, and again when it has done it after all", async () => {
  const { state, events, asked, answers, timeout } = service();
  unsteer(state, 2);
  timeout();
  assert.deepEqual(events, [{ type: "steered", unsure: true }]);
  answers[0]!.resolve(null);
  await answers[0]!.promise;
  await Promise.resolve();
  assert.deepEqual(events.slice(1), [{ type: "steeredLate" }]);
  assert.deepEqual(asked, ["unsteer"]);
});

Deno.test("unsteer() leaves it to the time limit when the worker's channel breaks", async () => {
  const { state, events, answers, timeout } = service();
  unsteer(state, 2);
  answers[0]!.reject(new Error("gone"));
  await answers[0]!.promise.catch(() => {});
  assert.deepEqual(events, []);
  timeout();
  assert.deepEqual(events, [{ type: "steered", unsure: true }]);
});
