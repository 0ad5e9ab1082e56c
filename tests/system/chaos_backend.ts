/** A backend that can be killed, started again, paused, and told to misbehave. See testdata/chaos_backend.ts. */
const program = new URL("./testdata/chaos_backend.ts", import.meta.url).pathname;

/** See the module's header. */
export class ChaosBackend implements AsyncDisposable {
  /** HTTP, HTTPS, frames. */
  readonly ports: readonly [number, number, number];
  readonly #certificates: string;
  #child: Deno.ChildProcess | undefined;
  #wildness = 0;

  constructor(ports: readonly number[], certificates: string) {
    this.ports = ports as unknown as ChaosBackend["ports"];
    this.#certificates = certificates;
  }

  get running(): boolean {
    return this.#child !== undefined;
  }

  /** Resolves once it listens; does nothing where it runs. */
  async start(): Promise<void> {
    if (this.#child) return;
    const args = ["run", "-A", "--no-check", program, ...this.ports.map(String), this.#certificates];
    const child = new Deno.Command(Deno.execPath(), {
      args,
      stdin: "piped",
      stdout: "piped",
      stderr: "inherit",
    })
      .spawn();
    this.#child = child;
    const reader = child.stdout.getReader();
    const { done } = await reader.read();
    if (done) throw new Error("The backend ended before it listened");
    reader.cancel();
    await this.behave(this.#wildness);
  }

  /** How often it misbehaves from now on, 0 to 1; remembered for later starts. */
  async behave(wildness: number): Promise<void> {
    this.#wildness = wildness;
    if (!this.#child) return;
    const writer = this.#child.stdin.getWriter();
    await writer.write(new TextEncoder().encode(`${wildness}\n`)).catch(() => {});
    writer.releaseLock();
  }

  async kill(): Promise<void> {
    const child = this.#child;
    if (!child) return;
    this.#child = undefined;
    child.kill("SIGKILL");
    await child.status;
    await child.stdin.close().catch(() => {});
  }

  /** Stands still for so long. */
  async pause(ms: number): Promise<void> {
    const child = this.#child;
    child?.kill("SIGSTOP");
    await new Promise((resolve) => setTimeout(resolve, ms));
    if (child && child === this.#child) child.kill("SIGCONT");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
  }
}
