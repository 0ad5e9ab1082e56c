/**
 * The wait of poll(2), on a thread of the runtime's pool, and a pipe that ends it early. Not for Windows. Knows nothing of
 * ZeroMQ.
 */
const symbols = {
  poll: { parameters: ["buffer", "usize", "i32"], result: "i32", nonblocking: true },
  pollNow: { name: "poll", parameters: ["buffer", "usize", "i32"], result: "i32" },
  pipe: { parameters: ["buffer"], result: "i32" },
  read: { parameters: ["i32", "buffer", "usize"], result: "isize" },
  write: { parameters: ["i32", "buffer", "usize"], result: "isize" },
  close: { parameters: ["i32"], result: "i32" },
  getpeername: { parameters: ["i32", "buffer", "buffer"], result: "i32" },
} as const;

const libraries: Partial<Record<typeof Deno.build.os, string>> = {
  linux: "libc.so.6",
  darwin: "libSystem.B.dylib",
};

let library: Deno.DynamicLibrary<typeof symbols> | undefined;

/** The calls. Throws Error on systems without them. */
export function systemPoll(): Deno.DynamicLibrary<typeof symbols>["symbols"] {
  if (!library) {
    const name = libraries[Deno.build.os];
    if (name === undefined) throw new Error(`Cannot wait for ZeroMQ sockets on ${Deno.build.os}`);
    library = Deno.dlopen(name, symbols);
  }
  return library.symbols;
}

/** A set of descriptors that are waited for; `struct pollfd { int fd; short events; short revents; }`. */
export class PollSet {
  readonly #words: Int32Array;
  readonly #bytes: Uint8Array<ArrayBuffer>;
  #count = 0;

  constructor(capacity: number) {
    this.#words = new Int32Array(2 * capacity);
    this.#bytes = new Uint8Array(this.#words.buffer as ArrayBuffer);
  }

  get capacity(): number {
    return this.#words.length / 2;
  }

  clear(): void {
    this.#count = 0;
  }

  add(descriptor: number): void {
    this.#words[2 * this.#count] = descriptor;
    this.#words[2 * this.#count++ + 1] = pollInput;
  }

  /** Whether something has happened at the descriptor that was added as number `index`. */
  isReady(index: number): boolean {
    return this.#words[2 * index + 1]! >>> 16 !== 0;
  }

  /** How many are ready now. */
  now(): number {
    return systemPoll().pollNow(this.#bytes, BigInt(this.#count), 0);
  }

  /** Resolves when one is ready, or after a second, with their number. The set must not be touched meanwhile. */
  wait(): Promise<number> {
    return systemPoll().poll(this.#bytes, BigInt(this.#count), longestWaitMs);
  }
}

const pollInput = 0x0001;
const longestWaitMs = 1000;

/** A pipe to oneself. */
export class WakePipe {
  readonly descriptor: number;
  readonly #write: number;
  readonly #byte = new Uint8Array(64);
  #full = false;

  constructor() {
    const ends = new Int32Array(2);
    if (systemPoll().pipe(new Uint8Array(ends.buffer)) !== 0) throw new Error("Cannot make a pipe");
    [this.descriptor, this.#write] = ends as unknown as [number, number];
  }

  /** Makes the descriptor ready until {@link clear}. */
  wake(): void {
    if (this.#full) return;
    this.#full = true;
    systemPoll().write(this.#write, this.#byte, 1n);
  }

  clear(): void {
    if (!this.#full) return;
    this.#full = false;
    systemPoll().read(this.descriptor, this.#byte, BigInt(this.#byte.length));
  }

  close(): void {
    systemPoll().close(this.descriptor);
    systemPoll().close(this.#write);
  }
}
