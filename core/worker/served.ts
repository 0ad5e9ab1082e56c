/** One listener of a worker with all its parts, from building to draining. Types only. */
import type { FramesListenerPlan, HttpListenerPlan, ThriftListenerPlan } from "../manifest/plan.ts";
import type { Protocol, ProtocolServer, SocketServer } from "../protocol.ts";
import type { Guard } from "./guard.ts";
import type { Adopter } from "./listen_node.ts";
import type { Listener } from "./listener.ts";
import type { Listening, ListenOptions } from "./listening.ts";

/** A listener that accepts connections. */
export interface Served {
  name: string;
  plan: HttpListenerPlan | FramesListenerPlan | ThriftListenerPlan;
  guard: Guard;
  listener: Listener;
  server: ProtocolServer;
  // deno-lint-ignore no-explicit-any
  protocol: Protocol<any, any, any>;
  listenings: Listening[];
  /** In the order of the plan; empty text for an address that the supervisor accepts on. */
  addresses: string[];
  accept: ListenOptions["onAccept"];
  /** Takes over sockets that the supervisor accepted. */
  adopter?: Adopter;
}

/** A listener whose protocol opens its sockets itself. */
export interface ServedSockets {
  name: string;
  plan: { deadline: number };
  listener: Listener;
  server: SocketServer;
  addresses: string[];
}
