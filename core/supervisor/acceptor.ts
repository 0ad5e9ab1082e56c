/**
 * Accepts where workers cannot listen themselves (see handed_over.ts) and hands every connection, unread, to the least
 * loaded worker that serves its listener. One at a time to each worker: what a worker has not taken yet stays here, so that
 * its end loses nothing else. Holds a connection for a moment when no worker takes it (a crash, the start, all are busy);
 * refuses it when that takes too long or too many wait.
 */
import net from "node:net";
import type { Address } from "../manifest/plan.ts";
import type { ListenerAddress } from "./handed_over.ts";

/** Connections that may wait for a worker, over all listeners. */
const mostWaiting = 4096;
/** How long they may. */
const waitMs = 3000;

/** A worker that takes connections. */
export interface Taker {
  readonly serial: number;
  /** Names of the listeners it serves. */
  readonly listeners: ReadonlySet<string>;
  /** Open connections as the worker says; undefined where it does not. */
  readonly connections: () => number | undefined;
  /** Resolves with true when it has the socket, with false when it is gone and nothing was sent. */
  readonly send: (message: Record<string, unknown>, socket: net.Socket) => Promise<boolean>;
}

interface Place extends Taker {
  seen: number | undefined;
  sentSince: number;
  sent: number;
  /** On its way to it. */
  sending: { socket: net.Socket; done: Promise<void> } | undefined;
}

interface Waiting {
  listener: string;
  socket: net.Socket;
  timer: ReturnType<typeof setTimeout>;
}

/** The supervisor's listening sockets. */
export class Acceptor {
  readonly #servers = new Map<string, net.Server>();
  readonly #places = new Map<number, Place>();
  /** Those that get nothing more, until they have what is on its way to them. */
  readonly #leaving = new Map<number, Place>();
  #waiting: Waiting[] = [];
  /** One at a time: what one has opened the next one must find. */
  #opening: Promise<unknown> = Promise.resolve();
  /** Connections refused because no worker took them. */
  refused = 0;

  /**
   * Listens on what of `wanted` is not open yet; resolves with the addresses by listener, in the order of its `listen` ("" for
   * those that workers bind), port 0 resolved. Rejects, leaving open what was open, when one cannot be bound.
   */
  open(wanted: () => readonly ListenerAddress[]): Promise<Record<string, string[]>> {
    const opened = this.#opening.then(() => this.#open(wanted()));
    this.#opening = opened.catch(() => {});
    return opened;
  }

  async #open(wanted: readonly ListenerAddress[]): Promise<Record<string, string[]>> {
    const addresses: Record<string, string[]> = {};
    const opened: string[] = [];
    try {
      for (const { listener, index, address } of wanted) {
        let text = textOf(address);
        if (!this.#servers.has(`${listener} ${text}`)) {
          const server = await this.#listen(listener, address);
          text = textOf(address, server);
          this.#servers.set(`${listener} ${text}`, server);
          opened.push(`${listener} ${text}`);
        }
        const texts = addresses[listener] ??= [];
        while (texts.length < index) texts.push("");
        texts[index] = text;
      }
    } catch (error) {
      for (const key of opened) this.#close(key);
      throw error;
    }
    return addresses;
  }

  /** Closes what is not in `wanted`, whose ports must be known (see pin_ports.ts). */
  keep(wanted: readonly ListenerAddress[]): void {
    const keys = new Set(wanted.map(({ listener, address }) => `${listener} ${textOf(address)}`));
    for (const key of [...this.#servers.keys()]) if (!keys.has(key)) this.#close(key);
  }

  /** `taker` is ready. */
  add(taker: Taker): void {
    this.#places.set(taker.serial, {
      ...taker,
      seen: undefined,
      sentSince: 0,
      sent: 0,
      sending: undefined,
    });
    this.#handWaiting();
  }

  /** No further connection for `serial`; resolves when it has the one that is under way to it. */
  async remove(serial: number): Promise<void> {
    const place = this.#places.get(serial) ?? this.#leaving.get(serial);
    this.#places.delete(serial);
    if (place?.sending === undefined) return;
    this.#leaving.set(serial, place);
    await place.sending.done;
    this.#leaving.delete(serial);
  }

  /** The process of `serial` is gone. */
  lost(serial: number): void {
    const sending = (this.#places.get(serial) ?? this.#leaving.get(serial))?.sending;
    this.#places.delete(serial);
    this.#leaving.delete(serial);
    if (sending) this.#refuse(sending.socket);
  }

  /** Closes everything. */
  close(): void {
    for (const key of [...this.#servers.keys()]) this.#close(key);
    for (const { socket, timer } of this.#waiting) {
      clearTimeout(timer);
      socket.destroy();
    }
    this.#waiting = [];
  }

  async #listen(listener: string, address: Address): Promise<net.Server> {
    if (address.transport === "unix") await removeDeadSocket(address.path);
    const server = net.createServer({ pauseOnConnect: true }, (socket) => {
      socket.on("error", () => socket.destroy());
      this.#hand(listener, socket);
    });
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject);
      const done = () => {
        server.off("error", reject);
        // Out of descriptors: the connection is lost, the listening socket is not.
        server.on("error", () => {});
        resolve();
      };
      if (address.transport === "unix") server.listen(address.path, done);
      else server.listen(address.port, address.hostname, done);
    });
    return server;
  }

  #close(key: string): void {
    this.#servers.get(key)?.close();
    this.#servers.delete(key);
  }

  #hand(listener: string, socket: net.Socket): void {
    const place = this.#leastLoaded(listener);
    if (place === undefined) this.#wait(listener, socket);
    else this.#send(place, listener, socket);
  }

  #send(place: Place, listener: string, socket: net.Socket): void {
    place.sent++;
    place.sentSince++;
    const message = { type: "socket", listener, address: socket.remoteAddress ?? "" };
    const done = place.send(message, socket).then((taken) => {
      place.sending = undefined;
      if (!taken) {
        this.#places.delete(place.serial);
        this.#hand(listener, socket);
      }
      this.#handWaiting();
    });
    place.sending = { socket, done };
  }

  #handWaiting(): void {
    const without = new Set<string>();
    this.#waiting = this.#waiting.filter(({ listener, socket, timer }) => {
      if (without.has(listener)) return true;
      const place = this.#leastLoaded(listener);
      if (place === undefined) return without.add(listener);
      clearTimeout(timer);
      this.#send(place, listener, socket);
      return false;
    });
  }

  /** Ends it in a way that tells the peer also where the runtime keeps another descriptor of it. */
  #refuse(socket: net.Socket): void {
    if (socket.destroyed) return;
    this.refused++;
    socket.destroySoon();
  }

  #leastLoaded(listener: string): Place | undefined {
    let best: Place | undefined;
    let bestLoad = Infinity;
    for (const place of this.#places.values()) {
      if (place.sending !== undefined || !place.listeners.has(listener)) continue;
      const seen = place.connections();
      // What was sent since the worker's own count last moved is not in that count yet.
      if (seen !== undefined && seen !== place.seen) {
        place.seen = seen;
        place.sentSince = 0;
      }
      const load = seen === undefined ? place.sent : seen + place.sentSince;
      if (load < bestLoad || (load === bestLoad && place.sent < best!.sent)) {
        best = place;
        bestLoad = load;
      }
    }
    return best;
  }

  #wait(listener: string, socket: net.Socket): void {
    if (this.#waiting.length >= mostWaiting) return this.#refuse(socket);
    const timer = setTimeout(() => {
      this.#waiting = this.#waiting.filter((entry) => entry.socket !== socket);
      this.#refuse(socket);
    }, waitMs);
    this.#waiting.push({ listener, socket, timer });
  }
}

function textOf(address: Address, server?: net.Server): string {
  if (address.transport === "unix") return `unix:${address.path}`;
  const port = server === undefined ? address.port : (server.address() as net.AddressInfo).port;
  return `${address.hostname.includes(":") ? `[${address.hostname}]` : address.hostname}:${port}`;
}

/** Removes a socket that nobody listens on any more; one that answers belongs to another service, and binding fails. */
async function removeDeadSocket(path: string): Promise<void> {
  try {
    if (!Deno.lstatSync(path).isSocket) return;
    const conn = await Deno.connect({ transport: "unix", path });
    conn.close();
  } catch (error) {
    if (error instanceof Deno.errors.ConnectionRefused) Deno.removeSync(path);
  }
}
