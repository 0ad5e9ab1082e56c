/**
 * Stands between clients and one broker of Kafka, which tells of itself by the proxy's port then. Loses answers to requests
 * that write records, together with their connection, after the broker has given them.
 */
import { Buffer } from "node:buffer";
import { connect, createServer, type Socket } from "node:net";

const produceKey = 0;

export class CuttingProxy implements AsyncDisposable {
  /** Whether the next answer to a write is lost. */
  cuts: () => boolean = () => false;
  /** How many were lost. */
  cut = 0;
  readonly #server = createServer((socket) => this.#serve(socket));
  readonly #sockets = new Set<Socket>();
  readonly #brokerPort: number;
  #port = 0;

  private constructor(brokerPort: number) {
    this.#brokerPort = brokerPort;
  }

  /** `broker`: `127.0.0.1:port`. */
  static async start(broker: string, port: number): Promise<CuttingProxy> {
    const proxy = new CuttingProxy(Number(broker.split(":")[1]));
    proxy.#port = port;
    await new Promise<void>((resolve, reject) => {
      proxy.#server.once("error", reject);
      proxy.#server.listen(port, "127.0.0.1", resolve);
    });
    return proxy;
  }

  get address(): string {
    return `127.0.0.1:${this.#port}`;
  }

  #serve(client: Socket): void {
    const broker = connect(this.#brokerPort, "127.0.0.1");
    let writes = false;
    let head = Buffer.alloc(0);
    let rest = 0;
    for (const [one, other] of [[client, broker], [broker, client]] as const) {
      this.#sockets.add(one);
      one.on("error", () => {});
      one.on("close", () => {
        this.#sockets.delete(one);
        other.destroy();
      });
    }
    client.on("data", (chunk: Buffer) => {
      for (let at = 0; at < chunk.length;) {
        if (rest === 0) {
          const taken = Math.min(6 - head.length, chunk.length - at);
          head = Buffer.concat([head, chunk.subarray(at, at += taken)]);
          if (head.length < 6) break;
          writes ||= head.readInt16BE(4) === produceKey;
          rest = head.readInt32BE(0) - 2;
          head = Buffer.alloc(0);
        }
        const taken = Math.min(rest, chunk.length - at);
        rest -= taken;
        at += taken;
      }
      broker.write(chunk);
    });
    broker.on("data", (chunk: Buffer) => {
      if (writes && this.cuts()) {
        this.cut++;
        client.destroy();
        broker.destroy();
      } else {
        client.write(this.#readdressed(chunk));
      }
    });
  }

  #readdressed(chunk: Buffer): Buffer {
    const told = addressed(this.#brokerPort);
    const found = chunk.indexOf(told);
    if (found < 0) return chunk;
    const copy = Buffer.from(chunk);
    copy.set(addressed(this.#port), found);
    return copy;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

/** As a broker's address stands in the answer to Metadata. */
function addressed(port: number): Buffer {
  const bytes = Buffer.from("\x0a127.0.0.1....", "latin1");
  bytes.writeInt32BE(port, bytes.length - 4);
  return bytes;
}
