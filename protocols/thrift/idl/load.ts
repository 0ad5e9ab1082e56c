/**
 * Reads an IDL file with all it includes. Include paths are relative to the file that names them; how much is read is
 * bounded. Names are looked up by resolve.ts.
 */
import { basename, dirname, resolve } from "node:path";
import type { ServiceSchema } from "../schema.ts";
import { IdlError, type IdlPlace } from "./idl_error.ts";
import { parseIdl } from "./parser.ts";
import { IdlModule } from "./resolve.ts";

const mostBytes = 4 * 1024 * 1024;
const mostFiles = 256;

/** How a file is read; tests pass files that are nowhere. */
export type ReadText = (path: string) => string;

/** The IDL file at `path`, checked as a whole. Throws IdlError, and what reading the file itself throws. */
export function loadIdl(path: string, read: ReadText = Deno.readTextFileSync): IdlModule {
  const module = load(resolve(path), read, new Map(), undefined);
  module.check();
  return module;
}

/**
 * The service `name` of the IDL file at `path`; its only one, or the last, where no name is given. Throws IdlError.
 */
export function loadService(path: string, name?: string | null, read?: ReadText): ServiceSchema {
  const module = loadIdl(path, read);
  const { file, definitions } = module.document;
  const place = { file, line: 1, column: 1 };
  const wanted = name ?? [...definitions.values()].findLast(({ kind }) => kind === "service")?.name;
  if (wanted === undefined) throw new IdlError(place, "no service is declared here");
  return module.service(wanted, place);
}

function load(
  path: string,
  read: ReadText,
  known: Map<string, IdlModule | undefined>,
  from: IdlPlace | undefined,
): IdlModule {
  if (known.has(path)) {
    const module = known.get(path);
    if (module) return module;
    throw new IdlError(from!, `${path} includes itself`);
  }
  if (known.size >= mostFiles) throw new IdlError(from!, `more than ${mostFiles} files are included`);
  known.set(path, undefined);
  const document = parseIdl(textOf(path, read, from), path);
  const includes = new Map<string, IdlModule>();
  for (const { path: included, place } of document.includes) {
    const name = basename(included).replace(/\.thrift$/, "");
    includes.set(name, load(resolve(dirname(path), included), read, known, place));
  }
  const module = new IdlModule(document, includes);
  known.set(path, module);
  return module;
}

function textOf(path: string, read: ReadText, from: IdlPlace | undefined): string {
  let text: string;
  try {
    text = read(path);
  } catch (error) {
    if (!from) throw error;
    throw new IdlError(from, `cannot include ${path}: ${error instanceof Error ? error.message : error}`);
  }
  if (text.length <= mostBytes) return text;
  throw new IdlError(from ?? { file: path, line: 1, column: 1 }, `${path} is longer than ${mostBytes} bytes`);
}
