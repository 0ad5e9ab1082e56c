/**
 * Brings the other implementations of the matrix: thriftpy2 and Apache Thrift for Python into a virtual environment, Apache
 * Thrift for Node with a Node of its own, thriftpy (the only one that speaks tracking of the first version) and Apache
 * Thrift's compiler from Debian. Kept in `.cache/bench`, where the benches find them as well.
 */
import { join } from "node:path";
import { prepareNode, preparePython } from "../../../bench/prepare.ts";
import { runToEnd } from "../../../bench/program.ts";
import { findOrInstall } from "../../../tests/provision.ts";

/** Packages of the virtual environment; the bench has the same. */
export const pythonPackages: readonly string[] = ["thriftpy2==0.7.1", "thrift==0.25.0"];
export const nodePackages: readonly string[] = ["thrift@0.24.0"];

const here = new URL("./", import.meta.url).pathname;

/** Where everything is. */
export interface Peers {
  /** Folder with the IDL and the code generated from it; the caller removes it. */
  readonly folder: string;
  /** Commands that run a Python with thriftpy2 and Apache Thrift, one with thriftpy, and Node with Apache Thrift. */
  readonly python: readonly string[];
  readonly debianPython: readonly string[];
  readonly node: readonly string[];
  readonly nodeModules: string;
}

/** Installs what is missing and generates code. Throws Error with what cannot be had. */
export async function providePeers(): Promise<Peers> {
  const compiler = await findOrInstall({ program: "thrift", package: "thrift-compiler" });
  await findOrInstall({
    program: "../lib/python3/dist-packages/thriftpy/thrift.py",
    package: "python3-thriftpy",
  });
  const python = await preparePython("thrift", pythonPackages);
  const { folder: nodeFolder, node } = await prepareNode("thrift-node", nodePackages);
  const folder = await Deno.makeTempDir({ prefix: "weir-thrift-" });
  await generate(compiler, folder, `${here}interop.thrift`, `${here}shapes.thrift`);
  return {
    folder,
    python: [`${python}/python`],
    debianPython: ["/usr/bin/python3"],
    node: [node],
    nodeModules: join(nodeFolder, "node_modules"),
  };
}

/** Code for Python and Node from `idl` and what it includes, all copied into `folder`. */
export async function generate(compiler: string, folder: string, ...idl: readonly string[]): Promise<void> {
  for (const file of idl) await Deno.copyFile(file, join(folder, file.slice(file.lastIndexOf("/") + 1)));
  const main = idl[0]!.slice(idl[0]!.lastIndexOf("/") + 1);
  for (const target of ["py", "js:node"]) {
    await runToEnd([compiler, "-r", "--gen", target, main], { cwd: folder });
  }
}
