/**
 * The sockets of one zmq listener: one ZeroMQ socket, bound or connected, whose messages go through the listener's stack.
 * Where the sender can wait (pull, sub, xsub, dealer, pair) nothing more is read while a message waits for admission, so
 * that queues fill up to their high-water marks and the senders slow down; rep and router refuse with a reply.
 */
import { Refusal } from "../../core/errors.ts";
import type { ZmqListenerPlan } from "../../core/manifest/plan.ts";
import type { ListenerHost, MessageSource, SocketServer } from "../../core/protocol.ts";
import { passingReasons, type Reason } from "../../core/reasons.ts";
import type { Service } from "../../core/service.ts";
import { BoundEndpoint } from "./bound_endpoint.ts";
import type { Codec } from "../codec/codec.ts";
import type { ZmqContext } from "./context.ts";
import { applyCurve, type CurveSetup } from "./curve.ts";
import { Dialled } from "./dialled.ts";
import { type Layout, Parts } from "./envelope.ts";
import { type ReplyParts } from "./handler.ts";
import type { SocketKind } from "./library.ts";
import { ZmqMessage } from "./message.ts";
import { PeerLog } from "./peer_log.ts";
import { Received } from "./receive_memory.ts";
import { refusalParts } from "./refusal_parts.ts";
import type { Signer, Verification } from "./signature.ts";
import { ZmqSocket } from "./socket.ts";

/** The host of a zmq listener. */
export type ZmqHost = ListenerHost<ZmqListenerPlan, ZmqMessage, ReplyParts>;

/** What a server is made with. */
export interface ServerSetup {
  readonly host: ZmqHost;
  readonly context: ZmqContext;
  readonly codec: Codec;
  /** How parts become what the service gets: decoded, or as they are for pools. */
  readonly decode: (bytes: Uint8Array<ArrayBuffer>) => unknown;
  /** Whether `decode` keeps the bytes. */
  readonly copies: boolean;
  readonly service: Service<ZmqMessage, ReplyParts>;
  readonly signer: Signer | undefined;
  readonly curve: CurveSetup | undefined;
}

/** A message that is being served. */
interface Job {
  readonly message: ZmqMessage;
  readonly text: string;
  readonly envelope: ReplyParts;
  readonly signature: Uint8Array | undefined;
}

type Kind = ZmqListenerPlan["socket"];

/** rep speaks through a ROUTER: a REP takes one message at a time from all its peers together. */
const socketKinds: Readonly<Record<Kind, SocketKind>> = {
  rep: "router",
  router: "router",
  dealer: "dealer",
  pair: "pair",
  pull: "pull",
  sub: "sub",
  xsub: "xsub",
};

const nowhere: MessageSource = { address: "", client: "" };
const nothing = new Uint8Array(0);
const noParts: ReplyParts = [];
/** While it drains, it goes on reading until nothing more comes, no longer than this. */
const drainReadMs = 200;

/** See the module's header. */
export class ZmqServer implements SocketServer {
  readonly #host: ZmqHost;
  readonly #setup: ServerSetup;
  readonly #kind: Kind;
  readonly #socket: ZmqSocket;
  readonly #layout: Layout;
  readonly #parts = new Parts();
  readonly #service: Service<ZmqMessage, ReplyParts>;
  readonly #waits: boolean;
  readonly #bound: BoundEndpoint[];
  readonly #dialled: Dialled | undefined;
  readonly #peers: PeerLog;
  /** Served and not answered. */
  #inflight = 0;
  /** How many handlers were begun. */
  #started = 0;
  /** Messages that were not let in yet. */
  #held: Job[] = [];
  /** Replies that found no room. */
  #unsent: Uint8Array[][] = [];
  /** When the message before was through, in a row of them; undefined where there is none. */
  #now: number | undefined;
  #paused = false;
  #stopped = false;
  /** Nothing was left to read at the last look. */
  #quiet = false;
  #topicText = "";
  #topic = "";
  #over: Promise<void> | undefined;

  /** Throws ZmqError for options that libzmq does not take. */
  constructor(setup: ServerSetup) {
    const { host, context } = setup;
    const { plan } = host;
    this.#host = host;
    this.#setup = setup;
    this.#kind = plan.socket;
    const routes = plan.socket === "rep" || plan.socket === "router";
    const topics = plan.socket === "sub" || plan.socket === "xsub";
    this.#waits = !routes;
    this.#layout = {
      identity: routes,
      envelope: plan.socket === "rep" ? "required" : routes || plan.socket === "dealer" ? "optional" : "none",
      topic: topics,
      signed: setup.signer !== undefined,
    };
    this.#service = (message, call) => {
      this.#started++;
      return setup.service(message, call);
    };
    this.#peers = new PeerLog(host.log, host.peers, setup.curve !== undefined);
    const socket = this.#socket = new ZmqSocket(context, socketKinds[plan.socket]);
    try {
      socket.set("linger", plan.linger);
      socket.set("rcvhwm", plan.hwm.receive);
      socket.set("sndhwm", plan.hwm.send);
      socket.set("maxmsgsize", plan.limits.message);
      socket.set("tcpKeepalive", 1);
      if (routes) socket.set("routerMandatory", 1);
      if (setup.curve) applyCurve(socket, setup.curve);
      context.receiveMemory.reserve(plan.limits.message);
      socket.monitor((event) => {
        for (const one of this.#bound) one.heard(event);
        this.#peers.heard(event);
      });
    } catch (error) {
      socket.close();
      throw error;
    }
    this.#bound = (plan.listen ?? []).map((address) => new BoundEndpoint(socket, address));
    this.#dialled = plan.connect === null ? undefined : new Dialled(socket, plan.connect, host);
  }

  open(): Promise<string[]> {
    const { plan } = this.#host;
    if (this.#kind === "sub") { for (const topic of plan.topics) this.#socket.set("subscribe", topic); }
    for (const one of this.#bound) one.try(performance.now());
    this.#dialled?.follow();
    if (this.#kind === "xsub") this.#subscribe();
    this.#socket.serve((untilMs) => this.#work(untilMs));
    const connected = this.#dialled?.endpoints ?? [];
    return Promise.resolve([...this.#bound.map((one) => one.text), ...connected]);
  }

  tick(now: number): void {
    if (this.#stopped) return;
    for (const one of this.#bound) {
      if (one.held) continue;
      try {
        if (one.try(now)) this.#host.log.info("listens now", { address: one.text });
      } catch (error) {
        this.#host.log.error("cannot listen", { address: one.text, error });
      }
    }
    this.#dialled?.follow();
    this.#peers.tick(now);
    if (this.#held.length > 0) this.#retryHeld();
  }

  drain(): Promise<void> {
    return this.#over ??= this.#drain();
  }

  /** At once; what was taken is not answered. */
  close(): void {
    this.#stopped = true;
    this.#socket.close();
    this.#peers.close();
  }

  async #drain(): Promise<void> {
    // Whoever stands by may have it: new connections are theirs.
    await Promise.all(this.#bound.map((one) => one.release()));
    this.#dialled?.hold();
    const end = performance.now() + drainReadMs;
    while (performance.now() < end && !(this.#quiet && this.#inflight === 0)) await pause();
    this.#stopped = true;
    this.#socket.want(false);
    while (this.#inflight > 0 || this.#held.length > 0 || this.#unsent.length > 0) {
      if (this.#held.length > 0) this.#retryHeld();
      if (this.#unsent.length > 0) this.#sendUnsent();
      await pause();
    }
    this.#socket.close();
    this.#peers.close();
  }

  // ------------------------------------------------------------------------------------------ receiving

  #work(untilMs: number): boolean {
    if (this.#unsent.length > 0 && !this.#sendUnsent()) return true;
    this.#quiet = false;
    this.#now = undefined;
    for (;;) {
      if (this.#paused || this.#stopped) return true;
      const count = this.#socket.receive();
      if (count > 0) this.#take(count);
      else if (count === Received.nothing) {
        this.#quiet = true;
        return true;
      } else this.#refuse("body_too_large");
      this.#now = this.#host.now;
      if (this.#now >= untilMs) return false;
    }
  }

  #take(count: number): void {
    const { context: { receiveMemory: memory }, signer } = this.#setup;
    const parts = this.#parts;
    if (!parts.find(memory, count, this.#layout)) return this.#refuse("bad_request");
    let envelope = noParts;
    if (parts.envelope > 0) {
      const copies: Uint8Array[] = envelope = [];
      for (let i = 0; i < parts.envelope; i++) copies.push(memory.copy(i));
    }
    let signature: Uint8Array | undefined;
    if (signer) {
      signature = memory.copy(parts.signature);
      const verification = this.#verify(signer, signature, count);
      if (verification !== "good") return this.#unverified(verification);
    }
    let message: ZmqMessage;
    try {
      message = this.#message(count, envelope[0]);
    } catch {
      return this.#refuse("bad_request", envelope);
    }
    this.#serve(message, this.#text(message), envelope, signature);
  }

  #verify(signer: Signer, signature: Uint8Array, count: number): Verification {
    const { receiveMemory: memory } = this.#setup.context;
    const { topic, body } = this.#parts;
    const signed: Uint8Array[] = [];
    for (let i = body; i < count; i++) signed.push(memory.view(i));
    return signer.verify(signature, topic < 0 ? nothing : memory.view(topic), signed);
  }

  /** Throws what the codec throws. */
  #message(count: number, identity: Uint8Array | undefined): ZmqMessage {
    const { context: { receiveMemory: memory }, copies, decode } = this.#setup;
    const { body, topic } = this.#parts;
    const name = topic < 0 ? "" : this.#topicOf(memory.view(topic));
    const last = count - 1;
    const value = decode(copies ? memory.copy(last) : memory.view(last));
    if (body === last) return new ZmqMessage(value, name, identity);
    const values: unknown[] = [];
    for (let i = body; i < last; i++) values.push(decode(copies ? memory.copy(i) : memory.view(i)));
    values.push(value);
    return new ZmqMessage(value, name, identity, values);
  }

  #topicOf(bytes: Uint8Array): string {
    const topic = new TextDecoder().decode(bytes);
    if (topic !== this.#topic) {
      this.#topic = topic;
      this.#topicText = `${this.#kind} ${topic}`;
    }
    return topic;
  }

  #text({ topic }: ZmqMessage): string {
    return topic === "" ? this.#kind : this.#topicText;
  }

  /** What is answered at once makes no job. */
  #serve(message: ZmqMessage, text: string, envelope: ReplyParts, signature: Uint8Array | undefined): void {
    const started = this.#started;
    const answer = this.#host.take(nowhere, message, text, this.#service, this.#now);
    if (answer instanceof Promise) {
      return this.#await({ message, text, envelope, signature }, answer, started);
    }
    if (!(answer instanceof Refusal)) {
      if (answer.length > 0) this.#reply(envelope, signature, answer);
    } else this.#refused({ message, text, envelope, signature }, answer);
  }

  #await(job: Job, answer: Promise<ReplyParts | Refusal>, started: number): void {
    this.#inflight++;
    // It waits for its turn: the next one would only wait behind it.
    if (this.#waits && this.#started === started) this.#pause();
    answer.then((late) => {
      this.#inflight--;
      if (late instanceof Refusal) this.#refused(job, late);
      else if (late.length > 0) this.#reply(job.envelope, job.signature, late);
      this.#resume();
    });
  }

  #refused(job: Job, refusal: Refusal): void {
    if (!this.#waits) {
      return this.#reply(job.envelope, job.signature, refusalParts(refusal, this.#setup.codec));
    }
    if (!passingReasons.has(refusal.reason)) return;
    this.#held.push(job);
    this.#pause();
  }

  #retryHeld(): void {
    const held = this.#held;
    this.#held = [];
    this.#now = undefined;
    for (const { message, text, envelope, signature } of held) {
      this.#serve(message, text, envelope, signature);
    }
    this.#resume();
  }

  #pause(): void {
    if (this.#paused) return;
    this.#paused = true;
    this.#socket.want(false);
  }

  #resume(): void {
    if (!this.#paused || this.#held.length > 0 || this.#stopped) return;
    this.#paused = false;
    this.#socket.want(true);
  }

  // ------------------------------------------------------------------------------------------ sending

  #reply(envelope: ReplyParts, signature: Uint8Array | undefined, body: ReplyParts): void {
    if (this.#socket.closed) return;
    const { signer } = this.#setup;
    const signed = signer ? [signer.sign(nothing, body, signature)] : [];
    this.#send([...envelope, ...signed, ...body]);
  }

  #send(parts: Uint8Array[]): void {
    if (this.#unsent.length > 0) return void this.#unsent.push(parts);
    const result = this.#socket.send(parts);
    if (result === "sent") return;
    if (!this.#waits) return this.#peers.lost(result);
    // One peer, or several that share the work: somebody will take it.
    this.#unsent.push(parts);
  }

  #sendUnsent(): boolean {
    let sent = 0;
    while (sent < this.#unsent.length && this.#socket.send(this.#unsent[sent]!) === "sent") sent++;
    this.#unsent.splice(0, sent);
    return this.#unsent.length === 0;
  }

  #refuse(reason: Reason, envelope?: readonly Uint8Array[]): void {
    this.#host.refuse(nowhere, reason, this.#kind);
    if (this.#waits || !envelope) return;
    this.#reply(envelope, undefined, refusalParts(new Refusal(reason), this.#setup.codec));
  }

  /** Whoever cannot sign gets no answer: one would be signed. */
  #unverified(why: Exclude<Verification, "good">): void {
    this.#host.refuse(nowhere, "forbidden", this.#kind);
    this.#peers.unverified(why);
  }

  #subscribe(): void {
    const encoder = new TextEncoder();
    for (const topic of this.#host.plan.topics) this.#socket.send([encoder.encode(`\x01${topic}`)]);
  }
}

function pause(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 5));
}
