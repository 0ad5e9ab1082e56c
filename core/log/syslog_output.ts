/**
 * A syslog server as an output: RFC 5424 over UDP (RFC 5426), TCP with octet counting (RFC 6587 3.4.1) or a Unix
 * datagram socket such as /dev/log. What a datagram's receiver loses nobody learns; a TCP connection is made again
 * when it ends, and a message that was not handed over whole is sent again on the next one.
 *
 * Wire: `<PRI>1 TIMESTAMP HOSTNAME APP-NAME PROCID MSGID - MSG`, on TCP `LENGTH SP` before it, no newline.
 */
import { lookup } from "node:dns/promises";
import { connectTcp } from "../connect_tcp.ts";
import type { Output, WriteResult } from "./sink.ts";

/** Where the server listens. */
export type SyslogTarget =
  | { transport: "udp" | "tcp"; hostname: string; port: number }
  | { transport: "unix"; path: string };

// what rsyslog takes by default; larger datagrams are cut by it anyway
const maxDatagramBytes = 8 * 1024;
const resolveEveryMs = 60_000;
const writeTimeoutMs = 5000;
const connectTimeoutMs = 3000;

const encoder = new TextEncoder();

/** The output for `target`. `folder` is where the socket of a Unix datagram client may be put. */
export function syslogOutput(target: SyslogTarget, folder: string, now: () => number): Output {
  if (target.transport === "tcp") return new StreamOutput(target.hostname, target.port);
  return new DatagramOutput(target, folder, now);
}

class DatagramOutput implements Output {
  readonly #target: SyslogTarget;
  readonly #folder: string;
  readonly #now: () => number;
  #socket: Deno.DatagramConn | undefined;
  #ownPath: string | undefined;
  #to: Deno.Addr | undefined;
  #resolvedAt = -Infinity;

  constructor(target: SyslogTarget, folder: string, now: () => number) {
    this.#target = target;
    this.#folder = folder;
    this.#now = now;
  }

  async write(lines: readonly string[]): Promise<WriteResult> {
    let written = 0;
    try {
      const to = await this.#address();
      const socket = this.#socket ??= this.#open(to);
      for (; written < lines.length; written++) {
        await socket.send(datagram(lines[written]!), to);
      }
      return { written };
    } catch (error) {
      this.close();
      return { written, error };
    }
  }

  close(): void {
    this.#socket?.close();
    this.#socket = undefined;
    this.#resolvedAt = -Infinity;
    if (this.#ownPath) removeSocket(this.#ownPath);
    this.#ownPath = undefined;
  }

  #open(to: Deno.Addr): Deno.DatagramConn {
    if (to.transport === "udp") {
      return Deno.listenDatagram({
        transport: "udp",
        hostname: to.hostname.includes(":") ? "::" : "0.0.0.0",
        port: 0,
      });
    }
    const path = `${this.#folder}/weir-syslog-${Deno.pid}-${crypto.randomUUID().slice(0, 8)}.sock`;
    this.#ownPath = path;
    return Deno.listenDatagram({ transport: "unixpacket", path });
  }

  async #address(): Promise<Deno.Addr> {
    const target = this.#target;
    if (target.transport === "unix") return { transport: "unixpacket", path: target.path };
    if (this.#to && this.#now() - this.#resolvedAt < resolveEveryMs) return this.#to;
    const found = await withTimeout(lookup(target.hostname), connectTimeoutMs, "resolve the syslog server");
    if (this.#to?.transport === "udp" && found.address !== this.#to.hostname) this.close();
    this.#resolvedAt = this.#now();
    return this.#to = { transport: "udp", hostname: found.address, port: target.port };
  }
}

class StreamOutput implements Output {
  readonly #hostname: string;
  readonly #port: number;
  #conn: Deno.TcpConn | undefined;
  #closed = false;

  constructor(hostname: string, port: number) {
    this.#hostname = hostname;
    this.#port = port;
  }

  async write(lines: readonly string[]): Promise<WriteResult> {
    const frames = lines.map(frame);
    const bytes = join(frames);
    let offset = 0;
    try {
      const conn = this.#conn ??= await this.#connect();
      while (offset < bytes.length) {
        offset += await withTimeout(
          conn.write(bytes.subarray(offset)),
          writeTimeoutMs,
          "write to the syslog server",
        );
      }
      return { written: lines.length };
    } catch (error) {
      this.#drop();
      return { written: wholeFrames(frames, offset), error };
    }
  }

  close(): void {
    this.#closed = true;
    this.#drop();
  }

  #drop(): void {
    const conn = this.#conn;
    this.#conn = undefined;
    try {
      conn?.close();
    } catch {
      // closed already by the reader that saw its end
    }
  }

  async #connect(): Promise<Deno.TcpConn> {
    const signal = AbortSignal.timeout(connectTimeoutMs);
    const conn = await connectTcp(this.#hostname, this.#port, signal);
    if (this.#closed) conn.close();
    else this.#watch(conn);
    return conn;
  }

  /** A server says nothing; reading is how its leaving is noticed before lines are written into the void. */
  async #watch(conn: Deno.TcpConn): Promise<void> {
    const nothing = new Uint8Array(256);
    try {
      while (await conn.read(nothing) !== null);
    } catch {
      // a reset is an end as well
    }
    if (this.#conn === conn) this.#drop();
  }
}

function datagram(line: string): Uint8Array {
  const bytes = encoder.encode(line.trimEnd());
  if (bytes.length <= maxDatagramBytes) return bytes;
  let end = maxDatagramBytes - 3;
  // not inside a character
  while ((bytes[end]! & 0xc0) === 0x80) end--;
  const cut = bytes.slice(0, end + 3);
  cut.set(encoder.encode("…"), end);
  return cut;
}

function frame(line: string): Uint8Array {
  const message = encoder.encode(line.trimEnd());
  const head = encoder.encode(`${message.length} `);
  return join([head, message]);
}

function join(parts: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let offset = 0;
  for (const part of parts) {
    bytes.set(part, offset);
    offset += part.length;
  }
  return bytes;
}

function wholeFrames(frames: readonly Uint8Array[], bytesOut: number): number {
  let end = 0;
  return frames.findIndex((part) => (end += part.length) > bytesOut);
}

function removeSocket(path: string): void {
  try {
    Deno.removeSync(path);
  } catch {
    // its folder is gone already
  }
}

async function withTimeout<T>(work: Promise<T>, timeoutMs: number, act: string): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(
      () => reject(new Deno.errors.TimedOut(`Cannot ${act}: no answer in ${timeoutMs} ms`)),
      timeoutMs,
    );
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}
