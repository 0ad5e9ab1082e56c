/**
 * What all ZeroMQ sockets of this process share: the library's context (one I/O thread), the wait for readiness, memory
 * to receive into and to send from, and who answers questions of ZAP. Made with its first user, freed with its last;
 * freeing waits for what lingers, no longer than the sockets' `linger`.
 */
import { Readiness } from "./readiness.ts";
import { type ZmqCalls, type ZmqLibrary, zmqLibrary } from "./library.ts";
import { ReceiveMemory } from "./receive_memory.ts";
import { SendMemory } from "./send_memory.ts";
import { ZapServer } from "./zap_server.ts";

const optionIpv6 = 42;
const optionMaxSockets = 2;
const mostSockets = 16_384;

/** See the module's header. */
export class ZmqContext {
  readonly library: ZmqLibrary;
  readonly calls: ZmqCalls;
  readonly address: Deno.PointerValue;
  readonly readiness: Readiness;
  readonly receiveMemory = new ReceiveMemory();
  readonly sendMemory = new SendMemory();
  #zap: ZapServer | undefined;
  #users = 0;

  constructor(library: ZmqLibrary) {
    this.library = library;
    this.calls = library.calls;
    this.address = this.calls.zmq_ctx_new();
    if (this.address === null) throw new Error("Cannot make a ZeroMQ context");
    this.calls.zmq_ctx_set(this.address, optionMaxSockets, mostSockets);
    this.calls.zmq_ctx_set(this.address, optionIpv6, 1);
    this.readiness = new Readiness();
  }

  /** Who says which clients may connect; made on first use, before the first socket that asks is bound. */
  get zap(): ZapServer {
    return this.#zap ??= new ZapServer(this);
  }

  join(): this {
    this.#users++;
    return this;
  }

  /** Call it once per {@link join}, when all sockets of that user are closed. */
  async leave(): Promise<void> {
    if (--this.#users > 0) return;
    if (current === this) current = undefined;
    this.#zap?.close();
    this.readiness.close();
    await this.calls.zmq_ctx_term(this.address);
  }
}

let current: ZmqContext | undefined;

/** The context of this process, joined. Rejects where the library cannot be loaded. */
export async function joinContext(): Promise<ZmqContext> {
  const library = await zmqLibrary();
  return (current ??= new ZmqContext(library)).join();
}
