/**
 * Two byte streams as one, after an upstream has switched to WebSocket: what comes from one goes to the other, as fast as
 * that takes it. When one side ends, the other is told and gets a while to end as well. A drain ends it as WebSocket wants
 * it: the client is sent a Close frame (1001, going away) between two frames, and its own goes on to the upstream.
 */
import type { ByteStream } from "../../../core/protocol.ts";
import type { Reason } from "../../../core/reasons.ts";
import { FrameEnds } from "./frame_ends.ts";

const pieceBytes = 32 * 1024;
/** What the second side to end gets, and a client that was asked to go. */
const lingerMs = 10_000;
/** FIN and opcode 8, two bytes, 1001. */
const goingAway = Uint8Array.of(0x88, 2, 0x03, 0xe9);

/** See the module's header. */
export class Tunnel {
  readonly #client: ByteStream;
  readonly #upstream: ByteStream;
  readonly #over: (reason: Reason) => void;
  readonly #ends = new FrameEnds();
  #finishing = false;
  /** The client was sent its Close frame; nothing may follow. */
  #told = false;
  #sides = 2;
  #closed = false;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #writing: Promise<void> = Promise.resolve();

  /**
   * The client gets `head`, then `rest`, which was read from the upstream before, then what is read from it. `over` is
   * called once, when both streams are closed.
   */
  constructor(
    client: ByteStream,
    upstream: ByteStream,
    rest: Uint8Array,
    head: Uint8Array,
    over: (reason: Reason) => void,
  ) {
    this.#client = client;
    this.#upstream = upstream;
    this.#over = over;
    this.#write(head).catch(() => this.close("client_reset"));
    this.#pumpOut().catch(() => this.close("client_reset"));
    this.#pumpIn(rest).catch(() => this.close("upstream_reset"));
  }

  /** Asks both sides to end. Idempotent. */
  finish(): void {
    if (this.#finishing || this.#closed) return;
    this.#finishing = true;
    this.#linger("drain");
    // Otherwise with the end of the frame that is on its way.
    if (this.#ends.between) this.#tell();
  }

  /** Ends both sides at once. Idempotent. */
  close(reason: Reason): void {
    if (this.#closed) return;
    this.#closed = true;
    clearTimeout(this.#timer);
    for (const stream of [this.#client, this.#upstream]) {
      try {
        stream.close();
      } catch {
        // It is closed already.
      }
    }
    this.#over(reason);
  }

  async #pumpOut(): Promise<void> {
    const buffer = new Uint8Array(pieceBytes);
    for (;;) {
      const count = await this.#client.read(buffer);
      if (count === null) break;
      await writeAll(this.#upstream, buffer.subarray(0, count));
    }
    this.#ended(this.#upstream);
  }

  async #pumpIn(rest: Uint8Array): Promise<void> {
    if (rest.length > 0) await this.#toClient(rest);
    const buffer = new Uint8Array(pieceBytes);
    for (;;) {
      const count = await this.#upstream.read(buffer);
      if (count === null) break;
      await this.#toClient(buffer.subarray(0, count));
    }
    this.#ended(this.#client);
  }

  #toClient(bytes: Uint8Array): Promise<void> {
    if (this.#told) return Promise.resolve();
    if (!this.#finishing) {
      this.#ends.take(bytes);
      return this.#write(bytes);
    }
    const until = this.#ends.take(bytes, true);
    const written = this.#write(bytes.subarray(0, until));
    if (this.#ends.between) this.#tell();
    return written;
  }

  #tell(): void {
    this.#told = true;
    this.#write(goingAway).catch(() => this.close("client_reset"));
  }

  /** Writes to the client stand in line: a Close frame must not get into the middle of another. */
  #write(bytes: Uint8Array): Promise<void> {
    return this.#writing = this.#writing.then(() => writeAll(this.#client, bytes));
  }

  /** One side has ended; `other` is told. */
  #ended(other: ByteStream): void {
    if (--this.#sides === 0) return this.close(this.#finishing ? "drain" : "client_closed");
    this.#linger("client_closed");
    other.closeWrite().catch(() => this.close("client_reset"));
  }

  #linger(reason: Reason): void {
    this.#timer ??= setTimeout(() => this.close(reason), lingerMs);
  }
}

async function writeAll(stream: ByteStream, bytes: Uint8Array): Promise<void> {
  while (bytes.length > 0) bytes = bytes.subarray(await stream.write(bytes));
}
