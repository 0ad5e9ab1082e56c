/**
 * Gets the stack of a child: from the governor, which has the time for it, or (without one, or when it is the governor
 * that hangs) from a program that lives for this one question. The supervisor itself talks to no inspector.
 */
import type { Channel } from "../channel.ts";
import type { StackAnswer } from "../control.ts";

/** How long the governor may take. */
const governorMs = 650;
/** A program of its own has to be started first. */
const programMs = 1500;

/** The frames, or why there are none. Never rejects. */
export async function stackOf(
  inspector: string,
  governor: Channel | undefined,
): Promise<{ frames: StackAnswer["frames"]; error: string }> {
  if (inspector === "") return { frames: [], error: "its inspector is not known" };
  try {
    const answer = governor === undefined ? await askProgram(inspector) : await governor.request<StackAnswer>(
      { type: "stack", inspector, timeoutMs: governorMs - 50 },
      governorMs,
    );
    return { frames: answer.frames ?? [], error: "" };
  } catch (error) {
    return { frames: [], error: error instanceof Error ? error.message : String(error) };
  }
}

async function askProgram(inspector: string): Promise<StackAnswer> {
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--no-prompt", new URL("./capture_stack.ts", import.meta.url).href],
    stdin: "piped",
    stdout: "piped",
    stderr: "null",
  }).spawn();
  const timer = setTimeout(() => {
    try {
      child.kill("SIGKILL");
    } catch {
      // It has ended by itself; its output is on the way.
    }
  }, programMs);
  try {
    const writer = child.stdin.getWriter();
    await writer.write(new TextEncoder().encode(JSON.stringify({ inspector, timeoutMs: governorMs })));
    await writer.close();
    const { stdout } = await child.output();
    const answer = JSON.parse(new TextDecoder().decode(stdout) || '{"error":"it took too long"}');
    if (answer.error !== undefined) throw new Error(answer.error);
    return answer;
  } finally {
    clearTimeout(timer);
  }
}
