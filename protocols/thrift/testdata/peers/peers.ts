/**
 * The implementations of Thrift that nobody here wrote, made ready: Debian's thriftpy (tracking version 1) and Apache
 * Thrift, PyPI's thriftpy2 (tracking version 2), npm's thrift. What cannot be had is a failed test that says so.
 */
import { install } from "../../../../tests/provision.ts";

export type PeerName = "thriftpy" | "thriftpy2" | "apache" | "node";

/** How one of them is started; words of its role follow. */
export interface PeerCommand {
  readonly program: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
}

const here = new URL("./", import.meta.url).pathname;
const idl = new URL("../everything.thrift", import.meta.url).pathname;
const versions = { thriftpy2: "0.7.1", thrift: "0.24.0", int64: "0.4.0" };
const debianPython = "/usr/bin/python3";

/** All of them; `folder` takes generated code. */
export async function preparePeers(folder: string): Promise<Record<PeerName, PeerCommand>> {
  await ensure("thrift-compiler", "thrift", ["--version"]);
  await ensure("python3-thriftpy", debianPython, ["-c", "import thriftpy.contrib.tracking"]);
  await ensure("python3-thrift", debianPython, ["-c", "import thrift.server.TServer"]);
  await must("thrift", ["-r", "--gen", "py", "-o", folder, idl]);
  await must("thrift", ["-r", "--gen", "js:node,es6", "-o", folder, idl]);
  const script = `${here}peer.py`;
  const env = { IDL: idl };
  return {
    thriftpy: { program: debianPython, args: [script, "thriftpy"], env },
    thriftpy2: { program: await thriftpy2(), args: [script, "thriftpy2"], env },
    apache: { program: debianPython, args: [script, "apache"], env: { PYTHONPATH: `${folder}/gen-py` } },
    node: { program: Deno.execPath(), args: ["run", "-A", `${await node(folder)}/peer.cjs`, "apache"], env: {} },
  };
}

/** A Python with thriftpy2, kept for the next run. */
async function thriftpy2(): Promise<string> {
  const folder = `${cacheFolder()}/thriftpy2-${versions.thriftpy2}`;
  const python = `${folder}/bin/python`;
  const test = ["-c", "import thriftpy2.contrib.tracking"];
  if (await works(python, test)) return python;
  if (!await works("python3", ["-c", "import venv, ensurepip"])) await ensure("python3-venv", debianPython, ["-c", "import ensurepip"]);
  await must("python3", ["-m", "venv", "--clear", folder]);
  await must(python, ["-m", "pip", "install", "--quiet", `thriftpy2==${versions.thriftpy2}`]);
  await must(python, test);
  return python;
}

/** A folder with npm's thrift, generated code and the peer. */
async function node(folder: string): Promise<string> {
  await Deno.copyFile(`${here}peer.cjs`, `${folder}/peer.cjs`);
  const dependencies = { thrift: versions.thrift, "node-int64": versions.int64 };
  await Deno.writeTextFile(`${folder}/package.json`, JSON.stringify({ dependencies }));
  await must(Deno.execPath(), ["install", "--quiet"], folder);
  return folder;
}

function cacheFolder(): string {
  return `${Deno.env.get("XDG_CACHE_HOME") ?? `${Deno.env.get("HOME")}/.cache`}/weir-tests`;
}

async function ensure(name: string, program: string, test: readonly string[]): Promise<void> {
  if (await works(program, test)) return;
  const trouble = await install(name);
  if (await works(program, test)) return;
  throw new Error(`Cannot run this test: the package "${name}" could not be installed: ${trouble || "it does not work"}`);
}

async function works(program: string, args: readonly string[]): Promise<boolean> {
  try {
    return (await run(program, args)).success;
  } catch {
    return false; // there is no such program
  }
}

async function must(program: string, args: readonly string[], cwd?: string): Promise<void> {
  const { success, stderr } = await run(program, args, cwd);
  if (!success) throw new Error(`Cannot prepare: ${program} ${args.join(" ")}: ${new TextDecoder().decode(stderr).slice(-1000)}`);
}

function run(program: string, args: readonly string[], cwd?: string): Promise<Deno.CommandOutput> {
  return new Deno.Command(program, {
    args: [...args],
    ...(cwd === undefined ? {} : { cwd }),
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
    signal: AbortSignal.timeout(180_000),
  }).output();
}
