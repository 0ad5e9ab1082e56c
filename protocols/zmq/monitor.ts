/**
 * What happens to the connections of a socket (zmq_socket_monitor(3)): an inproc PAIR socket brings two parts for each
 * event, a number with a value, and the address. An event tells; it decides nothing.
 */
import { ZmqSocket } from "./socket.ts";

/** Events by their bit. */
const names = {
  0x0001: "connected",
  0x0002: "connectDelayed",
  0x0004: "connectRetried",
  0x0008: "listening",
  0x0010: "bindFailed",
  0x0020: "accepted",
  0x0040: "acceptFailed",
  0x0080: "closed",
  0x0100: "closeFailed",
  0x0200: "disconnected",
  0x0400: "monitorStopped",
  0x0800: "handshakeFailed",
  0x1000: "handshakeSucceeded",
  0x2000: "handshakeFailedProtocol",
  0x4000: "handshakeFailedAuth",
} as const;

/** What can happen. */
export type MonitorEventName = typeof names[keyof typeof names];

/** One event. */
export interface MonitorEvent {
  readonly name: MonitorEventName;
  /** Descriptor, errno or milliseconds, depending on the event. */
  readonly value: number;
  /** Endpoint of the connection, as libzmq says it: that of the peer where it was accepted or dialled. */
  readonly endpoint: string;
}

const allEvents = 0x7fff;
let count = 0;
const decoder = new TextDecoder();

/** See the module's header. */
export class SocketMonitor {
  readonly #pair: ZmqSocket;
  readonly #watched: ZmqSocket;

  /** Throws ZmqError. */
  constructor(watched: ZmqSocket, onEvent: (event: MonitorEvent) => void) {
    const { context } = watched;
    this.#watched = watched;
    const endpoint = `inproc://monitor-${++count}`;
    const address = new TextEncoder().encode(`${endpoint}\0`);
    if (context.calls.zmq_socket_monitor(watched.address, address, allEvents) !== 0) {
      throw new Error(`Cannot watch a ${watched.kind} socket: error ${context.calls.zmq_errno()}`);
    }
    this.#pair = new ZmqSocket(context, "pair");
    this.#pair.set("linger", 0);
    this.#pair.connect(endpoint);
    this.#pair.serve(() => {
      while (!this.#pair.closed) {
        const parts = this.#pair.receive();
        if (parts === 0) return true;
        if (parts === 2) onEvent(read(context.receiveMemory.view(0), context.receiveMemory.view(1)));
      }
      return true;
    });
  }

  close(): void {
    this.#watched.context.calls.zmq_socket_monitor(this.#watched.address, null, 0);
    this.#pair.close();
  }
}

function read(head: Uint8Array, endpoint: Uint8Array): MonitorEvent {
  const view = new DataView(head.buffer, head.byteOffset, head.length);
  const bit = view.getUint16(0, true) as keyof typeof names;
  return { name: names[bit] ?? "closed", value: view.getUint32(2, true), endpoint: decoder.decode(endpoint) };
}
