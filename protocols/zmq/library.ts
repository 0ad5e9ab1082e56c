/**
 * libzmq's C API by FFI, opened once per process. The names are those of the library (zmq(7)). What is called for every
 * message takes memory by its address, a bigint that is made once: buffers and numbers cost ten times a call's own price.
 * Throws one clear error where no library can be had.
 */
import { libraryPaths } from "./library_path.ts";

const symbols = {
  zmq_version: { parameters: ["buffer", "buffer", "buffer"], result: "void" },
  zmq_has: { parameters: ["buffer"], result: "i32" },
  zmq_errno: { parameters: [], result: "i32" },
  zmq_strerror: { parameters: ["i32"], result: "pointer" },
  zmq_ctx_new: { parameters: [], result: "pointer" },
  zmq_ctx_set: { parameters: ["pointer", "i32", "i32"], result: "i32" },
  // Waits for what lingers.
  zmq_ctx_term: { parameters: ["pointer"], result: "i32", nonblocking: true },
  zmq_socket: { parameters: ["pointer", "i32"], result: "pointer" },
  zmq_close: { parameters: ["pointer"], result: "i32" },
  zmq_bind: { parameters: ["pointer", "buffer"], result: "i32" },
  zmq_unbind: { parameters: ["pointer", "buffer"], result: "i32" },
  zmq_connect: { parameters: ["pointer", "buffer"], result: "i32" },
  zmq_disconnect: { parameters: ["pointer", "buffer"], result: "i32" },
  zmq_setsockopt: { parameters: ["pointer", "i32", "buffer", "u32"], result: "i32" },
  zmq_getsockopt: { parameters: ["pointer", "i32", "usize", "usize"], result: "i32" },
  zmq_socket_monitor: { parameters: ["pointer", "buffer", "i32"], result: "i32" },
  zmq_recv: { parameters: ["pointer", "usize", "u32", "i32"], result: "i32" },
  zmq_sendiov: { parameters: ["pointer", "usize", "u32", "i32"], result: "i32" },
  zmq_curve_keypair: { parameters: ["buffer", "buffer"], result: "i32" },
} as const;

/** The calls. */
export type ZmqCalls = Deno.DynamicLibrary<typeof symbols>["symbols"];

/** An opened libzmq. */
export interface ZmqLibrary {
  readonly calls: ZmqCalls;
  /** `4.3.5`. */
  readonly version: string;
  /** Where it was found. */
  readonly path: string;
}

let opened: Promise<ZmqLibrary> | undefined;

/** The library of this process. Rejects with one Error that says what to install. */
export function zmqLibrary(): Promise<ZmqLibrary> {
  return opened ??= open();
}

async function open(): Promise<ZmqLibrary> {
  const problems: string[] = [];
  return openFirst(await libraryPaths(problems), problems);
}

/** The first of `paths` that can be used. Throws Error with all `problems` and what to install. */
export function openFirst(paths: readonly string[], problems: string[] = []): ZmqLibrary {
  for (const path of paths) {
    try {
      const calls = Deno.dlopen(path, symbols).symbols;
      const version = versionOf(calls);
      if (!atLeast(version, 4, 3)) {
        problems.push(`${path} is version ${version}`);
        continue;
      }
      if (calls.zmq_has(text("curve")) !== 1) {
        problems.push(`${path} was built without CURVE`);
        continue;
      }
      return { calls, version, path };
    } catch (error) {
      problems.push(`${path}: ${(error as Error).message.split("\n")[0]}`);
    }
  }
  throw new Error(
    "Cannot load libzmq 4.3 or newer, which protocol zmq needs: let Deno download the npm package zeromq once " +
      "(`deno cache npm:zeromq`), or install it (Debian, Ubuntu: `apt install libzmq5`; macOS: `brew install zeromq`). " +
      `Tried: ${problems.join("; ")}`,
  );
}

function versionOf(calls: ZmqCalls): string {
  const bytes = [0, 0, 0].map(() => new Uint8Array(4));
  const [major, minor, patch] = bytes;
  calls.zmq_version(major!, minor!, patch!);
  return bytes.map((one) => new DataView(one.buffer).getInt32(0, true)).join(".");
}

function atLeast(version: string, major: number, minor: number): boolean {
  const [has = 0, and = 0] = version.split(".").map(Number);
  return has > major || (has === major && and >= minor);
}

const encoder = new TextEncoder();

/** `value` as C wants it. */
export function text(value: string): Uint8Array<ArrayBuffer> {
  return encoder.encode(`${value}\0`);
}

/** Numbers of zmq.h. */
export const SocketType = {
  pair: 0,
  pub: 1,
  sub: 2,
  req: 3,
  rep: 4,
  dealer: 5,
  router: 6,
  pull: 7,
  push: 8,
  xpub: 9,
  xsub: 10,
} as const;

/** Kinds of sockets. */
export type SocketKind = keyof typeof SocketType;

/** Options of zmq_setsockopt(3) and zmq_getsockopt(3). */
export const Option = {
  identity: 5,
  subscribe: 6,
  unsubscribe: 7,
  rcvmore: 13,
  fd: 14,
  events: 15,
  linger: 17,
  reconnectIvl: 18,
  reconnectIvlMax: 21,
  maxmsgsize: 22,
  sndhwm: 23,
  rcvhwm: 24,
  lastEndpoint: 32,
  routerMandatory: 33,
  tcpKeepalive: 34,
  immediate: 39,
  ipv6: 42,
  curveServer: 47,
  curvePublickey: 48,
  curveSecretkey: 49,
  curveServerkey: 50,
  zapDomain: 55,
  routerHandover: 56,
  handshakeIvl: 66,
  xpubNodrop: 69,
  heartbeatIvl: 75,
  heartbeatTimeout: 77,
} as const;

/** Bits of {@link Option.events}. */
export const pollIn = 1;
export const pollOut = 2;

/** Flags of zmq_recv(3) and zmq_send(3). */
export const dontWait = 1;
export const sendMore = 2;

/** Error numbers that mean something here; those above 156384712 are libzmq's own, the rest the system's. */
export const Errno = Deno.build.os === "darwin"
  ? { again: 35, addressInUse: 48, hostUnreachable: 65, noDevice: 19, interrupted: 4 } as const
  : { again: 11, addressInUse: 98, hostUnreachable: 113, noDevice: 19, interrupted: 4 } as const;
