/**
 * Answers libzmq's questions which clients may connect (ZAP, RFC 27): a CURVE client is let in where its public key is in
 * the list of the socket's domain. The answers' user id is the client's key. Domains nobody has declared let nobody in.
 */
import type { ZmqContext } from "./context.ts";
import { ZmqSocket } from "./socket.ts";

const endpoint = "inproc://zeromq.zap.01";
const keyBytes = 32;
const encoder = new TextEncoder();
const decoder = new TextDecoder();
const nothing = new Uint8Array(0);

/** See the module's header. */
export class ZapServer {
  readonly #socket: ZmqSocket;
  readonly #domains = new Map<string, { allowed: ReadonlySet<string>; refused: (key: string) => void }>();

  constructor(context: ZmqContext) {
    this.#socket = new ZmqSocket(context, "rep");
    this.#socket.set("linger", 0);
    this.#socket.bind(endpoint);
    this.#socket.serve(() => {
      while (this.#answerNext());
      return true;
    });
  }

  /** From now on `domain` lets in the clients of these keys (hexadecimal), and no others; `refused` hears of those. */
  declare(domain: string, allowed: ReadonlySet<string>, refused: (key: string) => void): void {
    this.#domains.set(domain, { allowed, refused });
  }

  forget(domain: string): void {
    this.#domains.delete(domain);
  }

  close(): void {
    this.#socket.close();
  }

  /** Version, request id, domain, address, identity, mechanism, credentials. */
  #answerNext(): boolean {
    const parts = this.#socket.receive();
    if (parts === 0) return false;
    const { receiveMemory: memory } = this.#socket.context;
    const at = (index: number) => index < parts ? memory.copy(index) : nothing;
    const [version, id] = [at(0), at(1)];
    const name = decoder.decode(at(2));
    const domain = this.#domains.get(name);
    const key = hex(at(6));
    const curve = decoder.decode(at(5)) === "CURVE" && at(6).length === keyBytes;
    // Without a domain libzmq asks all the same: sockets without an allow list let everybody in.
    const good = name === "" || (domain !== undefined && curve && domain.allowed.has(key));
    if (!good) domain?.refused(key);
    const answer = good ? ["200", "OK", key] : ["400", "not allowed", ""];
    this.#socket.send([version, id, ...answer.map((text) => encoder.encode(text)), nothing]);
    return true;
  }
}

export function hex(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes) text += byte.toString(16).padStart(2, "0");
  return text;
}
