/**
 * Where libzmq is: the npm package `zeromq` ships one for every platform within its addon, whose C API can be called
 * (the addon's own promises lose wake-ups on Deno). Without the package, what the system has installed. Only looks;
 * {@link import("./library.ts")} opens.
 *
 * The package is brought by a computed import: a service without zmq neither loads nor downloads it.
 */
import { findPackageJSON } from "node:module";
import { dirname, join } from "node:path";

const packageName = "zeromq";

/** Paths and names to try, best first; `problems` collects why the package's own are missing. */
export async function libraryPaths(problems: string[]): Promise<string[]> {
  return [...await packagedPaths(problems), ...systemNames[Deno.build.os] ?? []];
}

const systemNames: Partial<Record<typeof Deno.build.os, readonly string[]>> = {
  linux: ["libzmq.so.5"],
  darwin: ["libzmq.5.dylib", "/opt/homebrew/lib/libzmq.5.dylib", "/usr/local/lib/libzmq.5.dylib"],
};

async function packagedPaths(problems: string[]): Promise<string[]> {
  const platform = Deno.build.os;
  const arch = Deno.build.arch === "aarch64" ? "arm64" : "x64";
  try {
    // Any file of it that does nothing: from then on the package is on disk, and its place known.
    await import(`${packageName}/lib/util.js`);
    const manifest = findPackageJSON(packageName, import.meta.url);
    if (manifest === undefined) throw new Error("its place is unknown");
    const folder = join(dirname(manifest), "build", platform, arch, "node");
    const builds = [...Deno.readDirSync(folder)].map(({ name }) => name).sort(byPreference);
    return builds.map((build) => join(folder, build, "addon.node"));
  } catch (error) {
    problems.push(`npm package ${packageName}: ${(error as Error).message.split("\n")[0]}`);
    return [];
  }
}

/** Newest first; those for musl last, which only such a system can open. */
function byPreference(a: string, b: string): number {
  const musl = Number(a.startsWith("musl")) - Number(b.startsWith("musl"));
  const abi = (name: string) => Number(/(\d+)(?:-Release)?$/.exec(name)?.[1] ?? 0);
  const labelled = Number(b.includes("-")) - Number(a.includes("-"));
  return musl || labelled || abi(b) - abi(a);
}
