/**
 * A host that can vanish: a network namespace with a veth pair of its own and two addresses of the range for benchmarks
 * (RFC 2544). Nothing of the machine's own network is touched. Needs Linux, root and iproute2.
 */

/** Networks 198.18.<n>.0/30 that tests may make. */
const networks = { from: 100, to: 140 };

/** See the module's header. Disposing removes it, and kills nothing that still runs in it. */
export class DarkHost implements AsyncDisposable {
  readonly address: string;
  /** What starts a program there, put in front of its command. */
  readonly before: readonly string[];
  readonly #name: string;
  readonly #near: string;
  readonly #peer: string;

  private constructor(name: string, network: number) {
    this.#name = name;
    this.#near = `weird${network}a`;
    this.#peer = `198.18.${network}.1`;
    this.address = `198.18.${network}.2`;
    this.before = ["ip", "netns", "exec", name];
  }

  /** Throws Error where this machine does not allow it, with what is missing. */
  static async make(): Promise<DarkHost> {
    let last: unknown;
    for (let network = networks.from; network < networks.to; network++) {
      const name = `weir-dark-${network}`;
      try {
        await ip("netns", "add", name);
      } catch (error) {
        last = error;
        // Taken by another test, or not allowed at all.
        if (!String(error).includes("File exists")) break;
        continue;
      }
      const host = new DarkHost(name, network);
      try {
        await host.#connect(network);
        return host;
      } catch (error) {
        await host[Symbol.asyncDispose]();
        last = error;
        break;
      }
    }
    throw new Error(
      `Cannot make a network namespace, which this test needs (Linux, root or CAP_NET_ADMIN and CAP_SYS_ADMIN, ` +
        `iproute2): ${last instanceof Error ? last.message : last}`,
    );
  }

  async #connect(network: number): Promise<void> {
    const near = this.#near, far = `weird${network}b`;
    await ip("link", "add", near, "type", "veth", "peer", "name", far, "netns", this.#name);
    await ip("address", "add", `${this.#peer}/30`, "dev", near);
    await ip("link", "set", near, "up");
    await ip("-n", this.#name, "address", "add", `${this.address}/30`, "dev", far);
    await ip("-n", this.#name, "link", "set", far, "up");
    await ip("-n", this.#name, "link", "set", "lo", "up");
  }

  /** From now on nothing that it says arrives; connections stay as they are. */
  async vanish(): Promise<void> {
    await ip("-n", this.#name, "route", "add", "blackhole", `${this.#peer}/32`);
  }

  async return(): Promise<void> {
    await ip("-n", this.#name, "route", "delete", "blackhole", `${this.#peer}/32`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // It would go with the namespace, but not at once.
    await ip("link", "delete", this.#near).catch(() => {});
    await ip("netns", "delete", this.#name);
  }
}

async function ip(...args: string[]): Promise<void> {
  const { success, stderr } = await new Deno.Command("ip", { args, stdout: "null", stderr: "piped" })
    .output();
  if (!success) throw new Error(`ip ${args.join(" ")}: ${new TextDecoder().decode(stderr).trim()}`);
}
