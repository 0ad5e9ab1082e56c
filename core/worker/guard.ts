/**
 * The limits of one listener's connections: how many, how many per address, and how long each may take for its first
 * byte, a request head, a body, and between requests. One sweep over all connections instead of a timer for each.
 * Knows no protocol: what it cannot see in a connection's phase it asks the kernel (TCP_INFO), so that bytes which the
 * runtime's HTTP server swallows still count.
 */
import type { Clock } from "../clock.ts";
import { jitter } from "../clock.ts";
import type { Log } from "../context.ts";
import type { AcceptPlan } from "../manifest/plan.ts";
import { type ByteStream, Phase } from "../protocol.ts";
import type { Reason } from "../reasons.ts";
import type { Counter, Gauge, Histogram, SlotWriter } from "../stats/mod.ts";
import { GuardedConnection } from "./guarded_connection.ts";
import { socketCalls } from "./libc.ts";
import { peerKey } from "./peer_key.ts";

/** A connection just accepted, before anything was read from it. */
export interface Accepted {
  stream: ByteStream;
  address: string;
  /** The peer's port, where there is one; how a TLS connection's descriptor is found. */
  port: number;
  /** Subject of the verified client certificate. */
  client: string;
  tls: boolean;
  fd: number;
}

/** How long an answer that said `connection: close` may keep its connection before the server closes it. */
const lingerMs = 1000;

/** Connections that one turn of the loop looks at: about a fifth of a millisecond. */
const sweepAtOnce = 100;

/** No head is longer than this: what goes on arriving is a body that nobody asked for. */
const headCeiling = 1024 * 1024;

/** All connections of one listener in this worker. */
export class Guard {
  readonly connections = new Set<GuardedConnection>();
  /** Monotonic ms, refreshed by every request and every sweep: phases are stamped with it. */
  now: number;
  readonly #accept: AcceptPlan;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #stats: SlotWriter;
  readonly #listener: string;
  readonly #listenerIndex: number;
  readonly #perAddress = new Map<string, number>();
  readonly #opened: Counter;
  readonly #open: Gauge;
  readonly #delay: Histogram;
  readonly #distinct: { add(text: string): void };
  readonly #refused: (reason: Reason) => Counter;
  readonly #closed: (reason: Reason) => Counter;
  readonly #lookEveryMs: number;
  #fds = new Map<string, number>();
  #fdsAt = -Infinity;
  #nextId = 1;
  #draining = false;
  #sweeping = false;

  constructor(listener: string, accept: AcceptPlan, deps: { stats: SlotWriter; clock: Clock; log: Log }) {
    this.#listener = listener;
    this.#accept = accept;
    this.#clock = deps.clock;
    this.#log = deps.log;
    this.#stats = deps.stats;
    this.#listenerIndex = deps.stats.intern(listener);
    this.now = deps.clock.now();
    const labels = { listener };
    this.#opened = deps.stats.counter("weir_connections_accepted_total", labels, "Connections accepted");
    this.#open = deps.stats.gauge("weir_connections_open", labels, "Connections open");
    this.#delay = deps.stats.histogram("weir_accept_delay_seconds", labels, {
      unit: "ms",
      help: "Time a connection waited in the kernel's accept queue",
    });
    this.#distinct = deps.stats.distinct("weir_clients_distinct", labels, "Distinct client addresses");
    const byReason = (name: string, help: string) => {
      const known = new Map<Reason, Counter>();
      return (reason: Reason) => {
        let counter = known.get(reason);
        if (!counter) known.set(reason, counter = deps.stats.counter(name, { listener, reason }, help));
        return counter;
      };
    };
    this.#refused = byReason("weir_connections_refused_total", "Connections refused at accept, by reason");
    this.#closed = byReason("weir_connections_closed_total", "Connections ended, by reason");
    const shortest = Math.min(accept.headers, accept.firstByte, accept.body, accept.idle);
    this.#lookEveryMs = Math.max(10, shortest / 20);
  }

  /** How often {@link sweep} must be called, ms: a twentieth of the shortest limit, between 5 and 50. */
  get periodMs(): number {
    const { firstByte, headers, body, idle } = this.#accept;
    return Math.min(50, Math.max(5, Math.min(firstByte, headers, body, idle) / 20));
  }

  /** Takes in a connection, or says why not (and counts it); the caller closes what is refused. */
  admit(accepted: Accepted): GuardedConnection | Reason {
    const { address } = accepted;
    const now = this.now = this.#clock.now();
    const refusal = this.#refusal(address);
    if (refusal) {
      this.#refused(refusal).add();
      return refusal;
    }
    if (this.#limitsAddress(address)) {
      this.#perAddress.set(address, (this.#perAddress.get(address) ?? 0) + 1);
    }
    const info = accepted.fd >= 0 ? socketCalls()?.tcpInfo(accepted.fd) : undefined;
    // A fresh socket's "last sent" is its birth, when the kernel completed the handshake; data would have moved it.
    if (info) this.#delay.record(Math.min(info.sinceSentMs, 3_600_000));
    const row = this.#stats.connections.open(this.#listenerIndex, address, accepted.tls, this.#clock.epoch());
    const age = this.#accept.age;
    const endOfLife = age > 0 ? now + jitter(this.#clock, age, 0.1) : Infinity;
    const connection = new GuardedConnection(
      this,
      this.#nextId++,
      accepted.stream,
      { ...accepted, row },
      now,
      endOfLife,
    );
    connection.closing = this.#draining;
    this.connections.add(connection);
    this.#opened.add();
    this.#open.set(this.connections.size);
    if (address !== "") this.#distinct.add(address);
    return connection;
  }

  #refusal(address: string): Reason | undefined {
    if (this.connections.size >= this.#accept.connections) return "connections_full";
    if (!this.#limitsAddress(address)) return undefined;
    return (this.#perAddress.get(address) ?? 0) >= this.#accept.perAddress ? "address_full" : undefined;
  }

  /** Peers of unix sockets have no address to tell them apart. */
  #limitsAddress(address: string): boolean {
    return this.#accept.perAddress > 0 && address !== "";
  }

  /** Accepts that failed (no descriptors left, …). */
  get acceptErrors(): Counter {
    return this.#stats.counter(
      "weir_accept_errors_total",
      { listener: this.#listener },
      "Accepts that failed",
    );
  }

  /** Counts the end of something that never became a connection here (a failed handshake). */
  countClosed(reason: Reason): void {
    this.#closed(reason).add();
  }

  /** Called by the connection when it is through. */
  remove(connection: GuardedConnection, reason: Reason): void {
    if (!this.connections.delete(connection)) return;
    this.#stats.connections.close(connection.row);
    this.#open.set(this.connections.size);
    this.#closed(reason).add();
    if (this.#limitsAddress(connection.address)) {
      const left = (this.#perAddress.get(connection.address) ?? 1) - 1;
      if (left <= 0) this.#perAddress.delete(connection.address);
      else this.#perAddress.set(connection.address, left);
    }
  }

  /** Ends what is over its limit. Call it every {@link periodMs}; many connections are looked at in several turns. */
  sweep(): void {
    if (this.#sweeping) return;
    this.#sweeping = true;
    this.#sweepOn(this.connections.values());
  }

  /** The next few of `left`: requests that came meanwhile go before the rest. */
  #sweepOn(left: Iterator<GuardedConnection>): void {
    const now = this.now = this.#clock.now();
    let all = true;
    try {
      for (let looked = 0; looked < sweepAtOnce; looked++) {
        const { done, value } = left.next();
        if (done) return;
        this.#look(value, now);
      }
      all = false;
      setImmediate(() => this.#sweepOn(left));
    } finally {
      // Also where one look failed: the limits of the others hold on.
      if (all) this.#sweeping = false;
    }
  }

  #look(connection: GuardedConnection, now: number): void {
    if (connection.watchers?.size) this.#watch(connection);
    if (now >= connection.endOfLife && !connection.closing) {
      connection.closing = true;
      if (connection.phase === Phase.stream || this.#answering(connection)) connection.finish();
      else if (connection.phase === Phase.idle) return this.#end(connection, "age_reached");
    }
    const reason = this.#overdue(connection, now);
    if (reason) this.#end(connection, reason);
  }

  #overdue(connection: GuardedConnection, now: number): Reason | undefined {
    const accept = this.#accept;
    const forMs = now - connection.since;
    switch (connection.phase) {
      case Phase.first:
        // What TLS has received by the first look is its handshake.
        if (this.#moved(connection, now, connection.tls ? -1 : 0)) {
          this.#guess(connection, now);
          return undefined;
        }
        return forMs >= accept.firstByte ? "first_byte_timeout" : undefined;
      case Phase.head:
        if (connection.guessed && this.#moved(connection, now, -1) && this.#flooding(connection)) {
          return "protocol_error";
        }
        return forMs >= accept.headers ? "head_timeout" : undefined;
      case Phase.body:
        // The runtime does not say when a body is complete: only one that still trickles in is over its time.
        if (this.#moved(connection, now, -1)) {
          connection.seenBytes = this.received(connection);
          connection.movedAt = now;
        }
        return forMs >= accept.body && now - connection.movedAt < accept.body / 5
          ? "body_timeout"
          : undefined;
      case Phase.idle:
        return this.#idleOverdue(connection, now, forMs);
      default:
        // Handlers and streams may take their time; a peer that does not read what they answered may not.
        if (now < connection.nextLookAt || forMs <= this.#lookEveryMs) return undefined;
        connection.nextLookAt = now + this.#lookEveryMs;
        return (this.#stuckMs(connection, now) ?? 0) >= accept.idle ? "write_timeout" : undefined;
    }
  }

  #idleOverdue(connection: GuardedConnection, now: number, forMs: number): Reason | undefined {
    // Only after it was idle for a while: a busy connection is never looked at.
    if (forMs <= this.#lookEveryMs) return undefined;
    if (now >= connection.nextLookAt) {
      // An answer is still on its way: a slow reader is not idle, one that does not read at all is over its time.
      const stuckMs = this.#stuckMs(connection, now);
      if (stuckMs !== undefined) {
        connection.nextLookAt = now + this.#lookEveryMs;
        connection.since = now - this.#lookEveryMs;
        return stuckMs >= this.#accept.idle ? "write_timeout" : undefined;
      }
      if (this.#moved(connection, now, -1)) {
        this.#guess(connection, now);
        return undefined;
      }
    }
    if (connection.closing && forMs >= lingerMs && !this.#answering(connection)) {
      return this.#draining ? "drain" : "age_reached";
    }
    return forMs >= this.#accept.idle ? "idle_timeout" : undefined;
  }

  /** Whether bytes arrived that belong to no complete message yet; `base` -1 takes the first look as the base. */
  #moved(connection: GuardedConnection, now: number, base: number): boolean {
    if (!connection.opaque || now < connection.nextLookAt) return false;
    connection.nextLookAt = now + this.#lookEveryMs;
    const received = this.received(connection);
    if (received < 0) return false;
    if (connection.seenBytes < 0) connection.seenBytes = base < 0 ? received : base;
    return received > connection.seenBytes;
  }

  /** The protocol did not say so, but bytes came: a head has begun, about half a look ago. */
  #guess(connection: GuardedConnection, now: number): void {
    connection.phase = Phase.head;
    connection.guessed = true;
    connection.since = Math.max(connection.since, now - this.#lookEveryMs / 2);
  }

  #flooding(connection: GuardedConnection): boolean {
    return this.received(connection) - connection.seenBytes > headCeiling;
  }

  /** How long the peer has taken nothing of what is there for it, ms; undefined when nothing is. */
  #stuckMs(connection: GuardedConnection, now: number): number | undefined {
    const waiting = this.#unsent(connection);
    if (!waiting) return undefined;
    if (waiting.taken !== connection.takenBytes) {
      connection.takenBytes = waiting.taken;
      connection.takenAt = now;
    }
    return now - connection.takenAt;
  }

  /**
   * Whether a peer that is between two requests still reads the last answer. What of it is not with the kernel yet only
   * the protocol knows, so that has to end the connection, where it writes itself.
   */
  #answering(connection: GuardedConnection): boolean {
    return connection.phase === Phase.idle && this.#unsent(connection) !== undefined;
  }

  #unsent(connection: GuardedConnection): { taken: number } | undefined {
    const node = connection.stream.node as { bytesWritten?: number; writableLength?: number } | undefined;
    if (node) {
      const left = node.writableLength ?? 0;
      return left > 0 ? { taken: (node.bytesWritten ?? 0) - left } : undefined;
    }
    const info = socketCalls()?.tcpInfo(this.#fdOf(connection));
    return info && (info.notSentBytes > 0 || info.unacked > 0) ? { taken: info.bytesAcked } : undefined;
  }

  /** Tells the requests of a connection whose peer has left, where the runtime keeps that to itself. */
  #watch(connection: GuardedConnection): void {
    this.#fdOf(connection);
    if (!connection.peerLeft()) return;
    for (const watcher of [...connection.watchers!]) watcher();
    connection.watchers = undefined;
  }

  /** Bytes the kernel received on it so far; -1 where nobody knows. */
  received(connection: GuardedConnection): number {
    const node = connection.stream.node as { bytesRead?: number } | undefined;
    if (node) return node.bytesRead ?? -1;
    return socketCalls()?.tcpInfo(this.#fdOf(connection))?.bytesReceived ?? -1;
  }

  /** Ends a connection that the runtime does not let go of: one whose TLS handshake never comes, one shut down. */
  cut(connection: GuardedConnection, reason: Reason): void {
    this.#fdsAt = -Infinity;
    socketCalls()?.shutdown(this.#fdOf(connection), connection.port);
    connection.done(reason);
  }

  /** TLS connections do not tell their descriptor; those that stay long enough to be looked at are searched for. */
  #fdOf(connection: GuardedConnection): number {
    if (connection.fd >= 0 || !connection.tls || connection.stream.node) return connection.fd;
    if (this.now - this.#fdsAt > 1000) {
      this.#fds = socketCalls()?.connectedFds() ?? new Map();
      this.#fdsAt = this.now;
    }
    return connection.fd = this.#fds.get(peerKey(connection.address, connection.port)) ?? -1;
  }

  #end(connection: GuardedConnection, reason: Reason): void {
    if (connection.endedAt > 0) {
      if (this.now - connection.endedAt >= lingerMs) this.cut(connection, reason);
      return;
    }
    connection.endedAt = this.now;
    this.#log.debug("connection ended", {
      reason,
      client: connection.address,
      requests: connection.requests,
    });
    connection.kill(reason);
  }

  /** From now on every answer is the last one of its connection. */
  beginDrain(): void {
    this.#draining = true;
    for (const connection of this.connections) connection.closing = true;
  }

  /**
   * Asks the connections that are between two requests for at least `forMs` to end; those that never sent anything get
   * four times as long, because their first request may be on its way.
   */
  finishIdle(forMs: number): void {
    const now = this.now = this.#clock.now();
    for (const connection of this.connections) {
      const { phase, since } = connection;
      if (phase === Phase.stream) connection.finish();
      if (phase !== Phase.idle && phase !== Phase.first) continue;
      if (now - since < (phase === Phase.first ? 4 * forMs : forMs) || this.#moving(connection)) continue;
      // The runtime closes it a turn of the loop later; a request sent meanwhile would be lost. This is at once. A protocol
      // that writes itself does so too, and may have to write the rest of an answer before.
      if (connection.opaque && !connection.tls) socketCalls()?.endWrites(connection.fd, connection.port);
      connection.finish();
    }
  }

  /**
   * Whether a request may have come that this loop has not seen yet, or more of an answer may have to go: true unless the
   * kernel has nothing left to send, and had received and sent the same number of bytes when it was asked before, at least
   * one turn of the loop ago, in which whoever had more to write would have written it.
   */
  #moving(connection: GuardedConnection): boolean {
    const info = socketCalls()?.tcpInfo(this.#fdOf(connection));
    const bytes = info ? info.bytesReceived + info.bytesAcked : -1;
    const sending = connection.opaque && info !== undefined && (info.notSentBytes > 0 || info.unacked > 0);
    if (!sending && connection.drainSince === connection.since && connection.drainBytes === bytes) {
      return false;
    }
    connection.drainSince = connection.since;
    connection.drainBytes = bytes;
    return true;
  }

  /** Ends everything that is left; returns how many. */
  killAll(reason: Reason): number {
    const left = this.connections.size;
    for (const connection of [...this.connections]) {
      connection.kill(reason);
      connection.done(reason);
    }
    if (left > 0) this.#log.warn("connections cut", { listener: this.#listener, left });
    return left;
  }
}
