/**
 * Takes the JavaScript stack of a process that may hang, through its private inspector address: attach, pause, read the
 * frames, map them back to the TypeScript that was written, let it run again. Also a program of its own, for when no
 * governor is there to do it: the address on stdin (never in the argument list), the answer as JSON on stdout.
 */
import { SourceMap } from "node:module";
import type { StackAnswer } from "../control.ts";

interface Script {
  url: string;
  sourceMapURL: string;
}

interface CallFrame {
  functionName: string;
  url: string;
  location: { scriptId: string; lineNumber: number; columnNumber: number };
}

/** The frames of the process behind `inspector`, innermost first. Rejects after `timeoutMs`: an idle loop never pauses. */
export async function captureStack(inspector: string, timeoutMs: number): Promise<StackAnswer> {
  if (inspector === "") throw new TypeError("Cannot capture a stack: the process has no inspector");
  const { frames, scripts } = await pause(inspector, timeoutMs);
  const known = new Map<string, Script>();
  for (const { location: { scriptId } } of frames) {
    const message = scripts.get(scriptId);
    if (message !== undefined && !known.has(scriptId)) known.set(scriptId, JSON.parse(message).params);
  }
  const placed = frames.map((frame) => place(frame, known));
  const own = placed.filter(({ file }) => !/^(?:ext:|node:)/.test(file));
  return { frames: own.length > 0 ? own : placed };
}

function pause(
  inspector: string,
  timeoutMs: number,
): Promise<{ frames: CallFrame[]; scripts: Map<string, string> }> {
  return new Promise((resolve, reject) => {
    const scripts = new Map<string, string>();
    const socket = new WebSocket(inspector);
    const end = (settle: () => void) => {
      clearTimeout(timer);
      socket.onmessage = socket.onerror = socket.onclose = null;
      socket.close();
      settle();
    };
    const fail = (text: string) => end(() => reject(new Error(`Cannot capture a stack: ${text}`)));
    const timer = setTimeout(() => fail(`nothing ran within ${timeoutMs} ms`), timeoutMs);
    const send = (id: number, method: string) => socket.send(JSON.stringify({ id, method }));
    let frames: CallFrame[] = [];
    socket.onopen = () => {
      send(1, "Debugger.enable");
      send(2, "Debugger.pause");
    };
    socket.onerror = () => fail("the inspector does not answer");
    socket.onclose = () => fail("the inspector closed the connection");
    socket.onmessage = ({ data }) => {
      // Hundreds of scripts with their maps: only those of the frames are worth parsing.
      const parsed = /^\{"method":"Debugger\.scriptParsed","params":\{"scriptId":"(\d+)"/.exec(data);
      if (parsed) return void scripts.set(parsed[1]!, data);
      const { id, method, params } = JSON.parse(data);
      if (method === "Debugger.scriptParsed") scripts.set(params.scriptId, data);
      if (method === "Debugger.paused") {
        frames = params.callFrames;
        send(3, "Debugger.resume");
      }
      if (id === 3) end(() => resolve({ frames, scripts }));
    };
  });
}

function place(frame: CallFrame, scripts: Map<string, Script>): StackAnswer["frames"][number] {
  const { scriptId, lineNumber, columnNumber } = frame.location;
  const script = scripts.get(scriptId);
  const name = frame.functionName || "(anonymous)";
  const original = script && originalPlace(script, lineNumber, columnNumber);
  if (original) return { function: name, ...original };
  return { function: name, file: script?.url || frame.url, line: lineNumber + 1, column: columnNumber + 1 };
}

const maps = new WeakMap<Script, SourceMap>();

function originalPlace(script: Script, line: number, column: number) {
  const inline = /^data:application\/json[^,]*;base64,(.*)$/s.exec(script.sourceMapURL);
  if (inline === null) return undefined;
  try {
    let map = maps.get(script);
    if (map === undefined) {
      const bytes = Uint8Array.from(atob(inline[1]!), (char) => char.charCodeAt(0));
      map = new SourceMap(JSON.parse(new TextDecoder().decode(bytes)));
      maps.set(script, map);
    }
    const entry = map.findEntry(line, column);
    if (!("originalSource" in entry)) return undefined;
    return { file: entry.originalSource, line: entry.originalLine + 1, column: entry.originalColumn + 1 };
  } catch {
    // A map that cannot be read is no reason to lose the stack: the compiled place is shown instead.
    return undefined;
  }
}

/** One frame as text: `spin (file:///service/split.ts:12:3)`. */
export function formatFrame(frame: StackAnswer["frames"][number]): string {
  return `${frame.function} (${frame.file}:${frame.line}:${frame.column})`;
}

if (import.meta.main) {
  const request = JSON.parse(await new Response(Deno.stdin.readable).text());
  const answer = await captureStack(request.inspector, request.timeoutMs).catch((error) => ({
    error: error.message,
  }));
  console.log(JSON.stringify(answer));
  Deno.exit(0);
}
