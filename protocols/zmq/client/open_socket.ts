/**
 * A socket of an upstream on its way to be usable: made from the plan, connected to one endpoint (or bound, where the
 * other sides connect), and waited for until the handshake is done, as long as `timeouts.connect` allows.
 */
import type { UpstreamPlan } from "../../../core/manifest/plan.ts";
import type { SessionHost } from "../../../core/upstream/contract.ts";
import { type FailureKind, UpstreamError } from "../../../core/upstream_error.ts";
import { type ZmqContext } from "../context.ts";
import { applyCurve, checkKey } from "../curve.ts";
import { endpointOf } from "../endpoint_text.ts";
import type { MonitorEvent, MonitorEventName } from "../monitor.ts";
import { ZmqSocket } from "../socket.ts";

/** The part of the host that is needed. */
export type OpenHost = Omit<SessionHost, "tls" | "alpn">;

/** A socket that is connected or bound. */
export interface OpenedSocket {
  readonly socket: ZmqSocket;
  /** True where the other sides connect to it. */
  readonly bound: boolean;
  /** Set it to hear of the connection's end. */
  onEvent: ((event: MonitorEvent) => void) | undefined;
  /** The connection has ended while nobody had set `onEvent`. */
  lost: boolean;
}

/** Events that end an attempt to connect. */
const endings: Partial<Record<MonitorEventName, readonly [FailureKind, string]>> = {
  connectRetried: ["refused", "it refuses connections, or cannot be reached"],
  handshakeFailed: ["connect", "the handshake failed"],
  handshakeFailedProtocol: [
    "protocol",
    "it speaks another protocol, or has another kind of socket or security",
  ],
  handshakeFailedAuth: ["tls", "it does not let us in"],
  disconnected: ["connect", "it ended the connection during the handshake"],
};

/** Time between two attempts of libzmq's own; the session ends with its connection, so they only matter to what lingers. */
const reconnectMs = 100;

/** Rejects with UpstreamError, everything freed. */
export async function openSocket(context: ZmqContext, host: OpenHost): Promise<OpenedSocket> {
  const { plan, endpoint } = host;
  const { address } = endpoint.spec;
  const bound = /^(tcp|ipc|inproc):\/\//.test(address);
  const kind = plan.zmq.socket === "none" ? "dealer" : plan.zmq.socket;
  const socket = new ZmqSocket(context, kind);
  const opened: OpenedSocket = { socket, bound, onEvent: undefined, lost: false };
  try {
    setOptions(socket, plan, bound, host.upstream);
    if (bound) {
      socket.monitor((event) => opened.onEvent?.(event));
      if (socket.bind(address)) return opened;
      throw failed(host, "unavailable", "another worker, or another program, listens there");
    }
    await connected(opened, host, endpointOf(address));
    return opened;
  } catch (error) {
    socket.close();
    if (error instanceof UpstreamError) throw error;
    throw failed(host, "connect", (error as Error).message, error);
  }
}

function setOptions(socket: ZmqSocket, plan: UpstreamPlan, bound: boolean, upstream: string): void {
  const { hwm, linger, curve } = plan.zmq;
  socket.set("linger", linger);
  socket.set("rcvhwm", hwm.receive);
  socket.set("sndhwm", hwm.send);
  socket.set("maxmsgsize", plan.limits.reply);
  socket.set("reconnectIvl", reconnectMs);
  socket.set("handshakeIvl", Math.max(1, plan.timeouts.connect));
  socket.set("tcpKeepalive", 1);
  if (plan.pool.heartbeat > 0) {
    socket.set("heartbeatIvl", plan.pool.heartbeat);
    socket.set("heartbeatTimeout", 2 * plan.pool.heartbeat);
  }
  socket.context.receiveMemory.reserve(Math.min(plan.limits.reply, mostReserved));
  if (curve === null) return;
  checkKey(curve.secretKey, `upstreams.${upstream}: zmq.curve.secretKey`);
  if (!bound && curve.serverKey === null) {
    throw new TypeError("zmq.curve.serverKey, the other side's public key, is missing");
  }
  applyCurve(socket, { ...curve, serverKey: bound ? null : curve.serverKey, domain: "" });
}

/** Replies above this are refused, whatever `limits.reply` says: they are received into one piece of memory. */
const mostReserved = 256 * 1024 * 1024;

function connected(opened: OpenedSocket, host: OpenHost, endpoint: string): Promise<void> {
  const { connect } = host.plan.timeouts;
  return new Promise((resolve, reject) => {
    const end = (error?: UpstreamError) => {
      cancel();
      opened.onEvent = undefined;
      if (error) return reject(error);
      // The monitor may tell of the beginning and of the end in one turn, before whoever waits has come on.
      opened.onEvent = ({ name }) => opened.lost ||= name === "disconnected";
      resolve();
    };
    const cancel = host.clock.after(connect, () => {
      end(failed(host, "connect", `no handshake within ${connect} ms`));
    });
    opened.onEvent = ({ name }) => {
      if (name === "handshakeSucceeded") return end();
      const ending = endings[name];
      if (ending) end(failed(host, ending[0], ending[1]));
    };
    try {
      opened.socket.monitor((event) => opened.onEvent?.(event));
      opened.socket.connect(endpoint);
      // Within one process there is nothing to wait for, and no event.
      if (endpoint.startsWith("inproc:")) end();
    } catch (error) {
      end(failed(host, "connect", (error as Error).message, error));
    }
  });
}

/** Closes it and throws UpstreamError where its connection has ended meanwhile. Call it before setting `onEvent`. */
export function checkKept({ socket, lost }: OpenedSocket, host: OpenHost): void {
  if (!lost) return;
  socket.close();
  throw failed(host, "connect", "it ended the connection");
}

function failed(
  { upstream, endpoint }: OpenHost,
  failure: FailureKind,
  why: string,
  cause?: unknown,
): UpstreamError {
  const { address } = endpoint.spec;
  return new UpstreamError(failure, `Cannot connect to ${address} of upstreams.${upstream}: ${why}`, {
    upstream,
    endpoint: address,
    cause,
  });
}
