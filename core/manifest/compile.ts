/**
 * Manifest in, Plan out: read, validate, check references. The front door of core/manifest.
 *
 * Reads files and nothing else: binds nothing, starts nothing, imports no handler. It never throws because of what
 * a manifest says; every problem is a diagnostic, and there is a Plan only when there is none.
 */
import { dirname, resolve } from "node:path";
import { manifest } from "./schema.ts";
import { checkReferences } from "./check_references.ts";
import { diagnose, wordIssue } from "./diagnose.ts";
import { type Diagnostic, sortDiagnostics } from "./diagnostic.ts";
import { grantedCores } from "./granted_cores.ts";
import { type Path, Places } from "./places.ts";
import type { Plan } from "./plan.ts";
import { type Env, type ReadManifest, readObject } from "./read_manifest.ts";
import { readYaml } from "./read_yaml.ts";
import { type FileKind, type Resolution, withResolution } from "./resolution.ts";
import { secretsOf } from "./secrets_of.ts";

export interface CompileOptions {
  /** The manifest's file, for diagnostics, and for its folder, where relative paths start. */
  file?: string;
  /** Folder that `file`, and without it every relative path, starts from; the process's own unless given. */
  cwd?: string;
  /** Environment for `${NAME}`; the process's own unless given. */
  env?: Record<string, string>;
  /** As in `Deno.build.os`; the process's own unless given. */
  platform?: string;
  /** Cores for `auto`; what the control group grants unless given. */
  cores?: number;
  /** Text of a file, or throws; the file system unless given. */
  readFile?: (path: string) => string;
  /** What is at a path; the file system unless given. */
  stat?: (path: string) => FileKind;
}

export interface CompileResult {
  /** There only when `diagnostics` is empty; frozen. */
  plan?: Plan;
  /** All problems, sorted by place. */
  diagnostics: Diagnostic[];
  /** Where every part of the manifest stands. */
  places: Places;
}

/** Compiles YAML text or a manifest object. */
export function compile(source: string | object, options: CompileOptions = {}): CompileResult {
  const file = options.file ?? null;
  const env: Env = options.env
    ? (name) => Object.hasOwn(options.env!, name) ? options.env![name] : undefined
    : Deno.env.get;
  const read = typeof source === "string" ? readYaml(source, file, env) : readObject(source, file, env);
  if (read.value === undefined) {
    return { diagnostics: sortDiagnostics(read.diagnostics), places: read.places };
  }
  return validate(read, options);
}

/** Compiles the manifest at `path`, which is also how diagnostics name it. */
export function compileFile(path: string, options: CompileOptions = {}): CompileResult {
  const resolved = resolve(options.cwd ?? Deno.cwd(), path);
  const fail = (message: string, text = "", offset = 0): CompileResult => {
    const places = new Places(text, path);
    return { diagnostics: [places.at({ start: offset, end: offset + 1 }, [], message)], places };
  };
  if (options.readFile) {
    try {
      return compile(options.readFile(resolved), { ...options, file: path });
    } catch (error) {
      return fail(`cannot read the manifest: ${(error as Error).message}`);
    }
  }
  let bytes: Uint8Array;
  try {
    bytes = Deno.readFileSync(resolved);
  } catch (error) {
    const reason = error instanceof Deno.errors.NotFound ? "there is no such file" : (error as Error).message;
    return fail(`cannot read the manifest: ${reason}`);
  }
  const text = new TextDecoder().decode(bytes);
  try {
    new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    return fail("the manifest is not UTF-8 text", text, Math.max(0, text.indexOf("\ufffd")));
  }
  return compile(text, { ...options, file: path });
}

function validate(read: ReadManifest, options: CompileOptions): CompileResult {
  const { places, spoilt } = read;
  let value = withoutHolders(read.value);
  const diagnostics = [...read.diagnostics];
  const file = options.file === undefined ? null : resolve(options.cwd ?? Deno.cwd(), options.file);
  const directory = file === null ? resolve(options.cwd ?? Deno.cwd()) : dirname(file);
  if (value === null) {
    diagnostics.push(
      places.at(
        { start: 0, end: 1 },
        [],
        "the manifest is empty: it needs at least `service` and `listeners`",
      ),
    );
    return { diagnostics, places };
  }
  const against = resolutionOf(directory, options);
  // A schema compiled to code pays off after many parses; here there are one or two.
  const parse = (tree: unknown) =>
    withResolution(against, () => manifest.safeParse(tree, { error: wordIssue, jitless: true }));
  let parsed = parse(value);
  if (!parsed.success) {
    const reread = takeAlternatives(value, parsed.error.issues.map(({ path }) => path as Path), places);
    const again = reread === undefined ? undefined : parse(reread);
    if (again?.success || (again && again.error.issues.length < parsed.error.issues.length)) {
      value = reread;
      parsed = again;
    }
  }
  const problems = [
    ...(parsed.success ? [] : diagnose(parsed.error.issues, value, places)),
    ...checkReferences(value, places),
  ];
  diagnostics.push(...problems.filter((problem) => !isSpoilt(problem, spoilt)));
  if (diagnostics.length > 0 || !parsed.success) return { diagnostics: sortDiagnostics(diagnostics), places };
  const declared = structuredClone(parsed.data);
  const plan: Plan = { ...declared, file, directory, secrets: secretsOf(declared) };
  return { plan: freeze(plan), diagnostics: [], places };
}

/**
 * What a variable stands for follows from what its place takes: `${VERSION}` is text though it looks like a number, and
 * `"${QUEUE}"` is a number though YAML wants quotes around it inside braces. `undefined` when nothing changes.
 */
function takeAlternatives(value: unknown, paths: readonly Path[], places: Places): unknown {
  const changes = paths.filter((path) => path.length > 0 && places.get(path)?.alternative !== undefined);
  if (changes.length === 0) return undefined;
  const copy = structuredClone(value);
  for (const path of changes) {
    let around = copy as Record<string | number, unknown>;
    for (const key of path.slice(0, -1)) around = around[key] as Record<string | number, unknown>;
    around[path.at(-1)!] = places.get(path)!.alternative;
  }
  return copy;
}

/** `x-…` keys hold anchors; nothing reads them. */
function withoutHolders(value: unknown): unknown {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return value;
  const kept = Object.create(null);
  for (const [key, item] of Object.entries(value)) if (!key.startsWith("x-")) kept[key] = item;
  return kept;
}

/** A value that could not be read is one problem, not two. */
function isSpoilt(problem: Diagnostic, spoilt: readonly Path[]): boolean {
  return spoilt.some((path) => {
    const text = path.reduce<string>(
      (so, part) => typeof part === "number" ? `${so}[${part}]` : so ? `${so}.${part}` : part,
      "",
    );
    return problem.path === text || problem.path.startsWith(`${text}.`) ||
      problem.path.startsWith(`${text}[`);
  });
}

function resolutionOf(directory: string, options: CompileOptions): Resolution {
  const readFile = options.readFile ?? Deno.readTextFileSync;
  let cores: number | undefined = options.cores;
  return {
    directory,
    platform: options.platform ?? Deno.build.os,
    readFile,
    stat: options.stat ?? (options.readFile ? statByReading(options.readFile) : stat),
    get cores() {
      return cores ??= grantedCores();
    },
  };
}

function stat(path: string): FileKind {
  try {
    const info = Deno.statSync(path);
    return info.isFile ? "file" : info.isDirectory ? "directory" : "other";
  } catch {
    return null;
  }
}

function statByReading(readFile: (path: string) => string): (path: string) => FileKind {
  return (path) => {
    try {
      readFile(path);
      return "file";
    } catch {
      return null;
    }
  };
}

function freeze<T>(value: T): T {
  if (typeof value !== "object" || value === null || Object.isFrozen(value)) return value;
  for (const item of Object.values(value)) freeze(item);
  return Object.freeze(value);
}
