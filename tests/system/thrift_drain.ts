/** A Thrift service that is reloaded twice and stopped under clients that keep their connections: what they notice. */
import { freePorts } from "../provision.ts";
import { message, ThriftLoad, type ThriftReport } from "./thrift_load.ts";
import { accessToFile, WeirProcess } from "./weir_process.ts";

/** What came of it. */
export interface ThriftDrainFigures extends ThriftReport {
  /** Calls that handlers were given. */
  carriedOut: number;
  exitCode: number;
  /** Bytes that came of the large replies, each with how many there are. */
  large: Array<{ got: number; of: number }>;
}

const testdata = new URL("./testdata/", import.meta.url).pathname;
const largeBytes = 24 * 1024 * 1024;
/** Longer than a drain lets connections idle. */
const awayMs = 600;

/** `calls` in each of the four phases: before, and after each reload. */
export async function thriftDrain(clients: number, calls: number): Promise<ThriftDrainFigures> {
  const [port] = freePorts(1, { from: 24_000, to: 24_150 }) as [number];
  await using weir = await WeirProcess.start({
    manifest: {
      service: "thrift-drain",
      workers: { count: 2, drain: "10s" },
      meta: false,
      logs: accessToFile,
      listeners: {
        rpc: {
          protocol: "thrift",
          listen: `127.0.0.1:${port}`,
          idl: `${testdata}drain.thrift`,
          service: "Drain",
          handler: `${testdata}thrift_handlers.ts`,
        },
      },
    },
  });
  await using load = new ThriftLoad(port, clients);
  const large: ThriftDrainFigures["large"] = [];
  await load.more(calls);
  const first = await slowReader(port);
  const { ok, message: text } = await weir.reload();
  if (!ok) throw new Error(text);
  large.push(await first.end);
  await load.more(calls);
  const { generation } = await weir.status();
  weir.signal("SIGHUP");
  await weir.until("the second reload is through", async () => {
    const { children, generation: now } = await weir.status();
    return now > generation &&
      children.every((child) => child.generation === now && child.state === "ready");
  }, 30_000);
  await load.more(calls);
  const last = await slowReader(port);
  load.ending = true;
  weir.signal("SIGTERM");
  const report = await load.ended();
  large.push(await last.end);
  const { code: exitCode } = await weir.ended();
  const { size: carriedOut } = await Deno.stat(`${weir.folder}/said`);
  return { ...report, carriedOut, exitCode, large };
}

/**
 * Asks for a reply that is larger than what the kernel keeps, takes the beginning of it, and looks at the rest only when
 * it has been away for a while. Resolves when the beginning is here.
 */
async function slowReader(port: number): Promise<{ end: Promise<{ got: number; of: number }> }> {
  const conn = await Deno.connect({ hostname: "127.0.0.1", port });
  const args = new Uint8Array(8);
  args[0] = 0x08;
  args[2] = 1;
  new DataView(args.buffer).setInt32(3, largeBytes);
  await conn.write(message(1, "big", 1, args, true));
  const chunk = new Uint8Array(64 * 1024);
  let got = await conn.read(chunk) ?? 0;
  const rest = async () => {
    await new Promise((resolve) => setTimeout(resolve, awayMs));
    try {
      for (let count = await conn.read(chunk); count !== null; count = await conn.read(chunk)) got += count;
    } catch {
      // Reset: what did not come is missing.
    }
    conn.close();
    return { got, of: 4 + 12 + "big".length + 8 + largeBytes };
  };
  return { end: rest() };
}
