/**
 * `upstream_backend.ts <host> <port>…`: HTTP servers that do what stdin tells them, one JSON object per line, and count
 * what they get. `{ set: { "25001": { status, delayMs, hold } } }` changes what a port answers; `{}` asks. Every line is
 * answered by one line: the counts by port.
 */
interface Behaviour {
  status: number;
  delayMs: number;
  /** No answer until the client is gone. */
  hold: boolean;
  /** File that gets the number of each request before anything else is done with it. */
  journal: string;
}

interface Counts {
  requests: number;
  /** Clients that were gone before their answer, and when the last one was noticed (epoch ms). */
  left: number;
  leftAt: number;
  /** `x-deadline-ms` of the last requests that had it. */
  deadlines: number[];
  /** Epoch ms of each request since the last question. */
  times: number[];
}

const [hostname, ...ports] = Deno.args;
const behaviours: Record<string, Behaviour> = {};
const counts: Record<string, Counts> = {};

async function answer(port: string, request: Request): Promise<Response> {
  const { status, delayMs, hold, journal } = behaviours[port]!;
  const mine = counts[port]!;
  mine.requests++;
  mine.times.push(Date.now());
  const number = request.headers.get("x-number");
  if (number !== null && journal !== "") Deno.writeTextFileSync(journal, `${number}\n`, { append: true });
  const deadline = request.headers.get("x-deadline-ms");
  if (deadline !== null) mine.deadlines = [...mine.deadlines.slice(-9), Number(deadline)];
  if (delayMs > 0) await new Promise((resolve) => setTimeout(resolve, delayMs));
  if (hold) {
    await new Promise((resolve) => request.signal.addEventListener("abort", resolve));
    mine.left++;
    mine.leftAt = Date.now();
  }
  return new Response(port, { status });
}

for (const port of ports) {
  behaviours[port] = { status: 200, delayMs: 0, hold: false, journal: "" };
  counts[port] = { requests: 0, left: 0, leftAt: 0, deadlines: [], times: [] };
  Deno.serve({ hostname, port: Number(port), onListen() {} }, (request) => answer(port, request));
}
console.log("{}");

let text = "";
for await (const piece of Deno.stdin.readable.pipeThrough(new TextDecoderStream())) {
  const lines = (text + piece).split("\n");
  text = lines.pop()!;
  for (const line of lines) {
    const { set = {} } = JSON.parse(line) as { set?: Record<string, Partial<Behaviour>> };
    for (const [port, behaviour] of Object.entries(set)) Object.assign(behaviours[port]!, behaviour);
    console.log(JSON.stringify(counts));
    for (const mine of Object.values(counts)) mine.times = [];
  }
}
// Whoever started it is gone.
Deno.exit(0);
