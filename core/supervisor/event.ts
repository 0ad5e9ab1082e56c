/** Everything that can happen to the supervisor. Whoever sees it happen enqueues it; the loop alone acts. */
import type { ChannelMessage } from "../channel.ts";
import type { StackAnswer } from "../control.ts";
import type { Plan } from "../manifest/plan.ts";
import type { ProcessExit } from "./spawn_child.ts";

/** A manifest compiled anew, or why it cannot be run. */
export type Compiled = { plan: Plan } | { problem: string };

/** Settles the promise of whoever asked. */
export interface Asker {
  resolve: (value: unknown) => void;
  reject: (error: Error) => void;
}

export type SupervisorEvent =
  | { type: "tick" }
  | { type: "signal"; signal: Deno.Signal }
  | { type: "message"; serial: number; message: ChannelMessage }
  | { type: "exit"; serial: number; exit: ProcessExit }
  | { type: "stack"; serial: number; frames: StackAnswer["frames"]; error: string }
  | { type: "command"; message: ChannelMessage; asker: Asker }
  | { type: "compiled"; result: Compiled }
  | { type: "opened" }
  | { type: "steered"; unsure: boolean }
  | { type: "steeredLate" }
  | { type: "fault"; message: string };
