/**
 * The child's side of the control channel: dies with the supervisor, says hello, gets the plan. For every entry module
 * that the supervisor starts. Knows nothing of what the child does with its plan.
 */
import { Channel, type ChannelMessage } from "../channel.ts";
import type { PlanMessage, Role } from "../control.ts";
import { connectControl } from "./connect_control.ts";
import { dieWithParent } from "./die_with_parent.ts";

/** What a child was told when it joined. */
export interface Joined {
  channel: Channel;
  plan: PlanMessage;
}

/**
 * Joins the supervisor named by WEIR_CONTROL. `onMessage` gets everything that follows the plan; when the channel ends
 * the process exits. Rejects when this process was not started by a supervisor.
 */
export async function joinSupervisor(onMessage: (message: ChannelMessage) => unknown): Promise<Joined> {
  dieWithParent();
  ignoreSignals();
  const env = (name: string) => {
    const value = Deno.env.get(name);
    if (value === undefined) throw new Error(`Cannot join a supervisor: ${name} is not set`);
    return value;
  };
  const conn = await connectControl(env("WEIR_CONTROL"));
  let channel: Channel;
  const plan = new Promise<PlanMessage>((resolve) => {
    let told = false;
    channel = new Channel(conn, {
      onMessage(message) {
        if (told) return onMessage(message);
        told = true;
        resolve(message as unknown as PlanMessage);
      },
      // The supervisor is gone, or it does not want us: both mean the same to a child.
      onClose: () => Deno.exit(1),
    });
  });
  const hello = {
    token: env("WEIR_TOKEN"),
    role: env("WEIR_ROLE") as Role,
    id: Number(env("WEIR_CHILD_ID")),
    pid: Deno.pid,
    inspector: "",
  };
  // Nothing that this process starts needs to know it.
  Deno.env.delete("WEIR_TOKEN");
  channel!.send({ type: "hello", ...hello });
  return { channel: channel!, plan: await plan };
}

/**
 * What the terminal (Ctrl-C, hang-up) or a service manager sends to all processes at once is for the supervisor, which
 * then tells its children. They stay in its session, because the kernel's scheduler sets priorities only within one.
 */
function ignoreSignals(): void {
  const signals: Deno.Signal[] = Deno.build.os === "windows"
    ? ["SIGINT", "SIGBREAK"]
    : ["SIGINT", "SIGHUP", "SIGTERM", "SIGUSR2"];
  for (const signal of signals) Deno.addSignalListener(signal, () => {});
}
