/**
 * Brings what the servers of other projects need into a cache folder (`.cache/bench`, not in the repository), once:
 * npm packages with their own Node, Python packages in virtual environments. What cannot be built is named with its
 * cause, and the comparison goes on without it.
 */
import { runToEnd } from "./program.ts";

const cache = new URL("../.cache/bench/", import.meta.url).pathname;

/** Node itself as a package: Watt needs a newer one than most distributions have. */
const nodeProgram = `node-linux-${Deno.build.arch === "aarch64" ? "arm64" : "x64"}@22.23.3`;

/** Servers. */
const nodePackages: readonly string[] = ["fastify@5.12.8", "wattpm@3.67.0", "@platformatic/node@3.65.0"];
/** Reverse proxies. */
export const nodePackagesOfGateways: readonly string[] = ["fastify@5.12.8", "@fastify/http-proxy@11.6.3"];

/** Installs npm packages, and Node, into the cache folder `name`; the folder that holds `node_modules` and the path of Node. */
export async function prepareNode(
  name = "node",
  packages = nodePackages,
): Promise<{ folder: string; node: string }> {
  const folder = `${cache}${name}`;
  const all = [...packages, nodeProgram];
  await once(`${folder}/${all.join(" ").replaceAll("/", "+")}.done`, async () => {
    await Deno.mkdir(folder, { recursive: true });
    await Deno.writeTextFile(`${folder}/package.json`, '{ "private": true }\n');
    await runToEnd(["npm", "install", "--no-audit", "--no-fund", "--save-exact", ...all], {
      cwd: folder,
    });
  });
  return { folder, node: `${folder}/node_modules/${nodeProgram.split("@")[0]}/bin/node` };
}

/** Installs the clients that the comparison `redis` is made with; the folder that holds `node_modules`. */
export async function prepareRedisClients(): Promise<string> {
  const folder = `${cache}redis`;
  const packages = ["ioredis@6.0.0", "@redis/client@6.3.1"];
  await once(`${folder}/${packages.join(" ").replaceAll("/", "+")}.done`, async () => {
    await Deno.mkdir(folder, { recursive: true });
    await Deno.writeTextFile(`${folder}/package.json`, '{ "private": true }\n');
    await runToEnd(["npm", "install", "--no-audit", "--no-fund", "--save-exact", ...packages], {
      cwd: folder,
    });
  });
  return folder;
}

/** A virtual environment with `packages`; `pythons` are tried in turn. The folder of its programs. */
export async function preparePython(
  name: string,
  packages: readonly string[],
  pythons: readonly string[] = ["python3"],
): Promise<string> {
  const causes: string[] = [];
  for (const python of pythons) {
    const folder = `${cache}${name}-${python.split("/").filter((part) => /\d/.test(part)).pop() ?? python}`;
    try {
      await once(`${folder}/${packages.join(" ")}.done`, async () => {
        await Deno.mkdir(cache, { recursive: true });
        await runToEnd([python, "-m", "venv", "--clear", folder]);
        await runToEnd([`${folder}/bin/pip`, "install", "-q", ...packages]);
      });
      return `${folder}/bin`;
    } catch (error) {
      causes.push(`${python}: ${causeOf((error as Error).message)}`);
    }
  }
  throw new Error(`cannot be built: ${causes.join("; ")}`);
}

/** Pythons for packages that newer ones cannot build, oldest last. */
export function olderPythons(): string[] {
  const home = Deno.env.get("PYENV_ROOT") ?? `${Deno.env.get("HOME")}/.pyenv`;
  const found: string[] = [];
  try {
    for (const { name } of Deno.readDirSync(`${home}/versions`)) {
      if (/^3\.[789]\./.test(name)) found.push(`${home}/versions/${name}/bin/python3`);
    }
  } catch {
    // Without pyenv there are the names of distributions.
  }
  return ["python3.9", ...found.sort().reverse()];
}

async function once(mark: string, make: () => Promise<void>): Promise<void> {
  try {
    await Deno.stat(mark);
  } catch {
    await make();
    await Deno.writeTextFile(mark, "");
  }
}

function causeOf(message: string): string {
  const lines = message.split("\n").filter((line) => /error|cannot|not found/i.test(line));
  return (lines.at(-1) ?? message.split("\n").at(-1) ?? message).trim().slice(0, 200);
}
