/**
 * Asks a worker to change where the kernel sends new connections. The program belongs to the whole group and the last
 * one to set it wins, so nothing else is changed until it has answered.
 */
import type { ChannelMessage } from "../channel.ts";
import type { Child } from "./child.ts";
import type { ServiceState } from "./service_state.ts";

/** A worker that does not answer is busy or hangs; the next look at the groups asks another one. */
const answerMs = 300;
/** It may do what it was asked all the same, long after others were asked for something else. */
const lateMs = 60_000;
/** No process has this serial: a state in which whatever is wanted has to be asked for again. */
export const nobody = -1;

/** New connections go everywhere but to `child`. */
export function steerAway(state: ServiceState, child: Child, via: Child): void {
  const places = state.groups.places(child.serial);
  const place = Object.values(places)[0];
  state.steered = child.serial;
  state.steeringStale = false;
  if (place) ask(state, via, { type: "steerAway", ...place, places });
}

/** Back to even hashing; `via` is null where no worker is left that could be steered around. */
export function unsteer(state: ServiceState, via: number | null): void {
  state.steered = null;
  state.steeringStale = false;
  const child = via === null ? undefined : state.children.get(via);
  if (child) ask(state, child, { type: "unsteer" });
}

function ask(state: ServiceState, { channel }: Child, message: ChannelMessage): void {
  if (channel === undefined) return;
  state.steeringBusy = true;
  let late = false;
  const stop = state.clock.after(answerMs, () => {
    late = true;
    state.queue.push({ type: "steered", unsure: true });
  });
  const done = () => {
    // It undid what another one was asked for meanwhile.
    if (late) return state.queue.push({ type: "steeredLate" });
    stop();
    state.queue.push({ type: "steered", unsure: false });
  };
  // Where it fails the process is going: the time limit has another one asked, no sooner.
  channel.request(message, lateMs).then(done, () => {});
}
