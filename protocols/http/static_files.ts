/**
 * Files of a folder: GET and HEAD, ETag and Last-Modified with conditional requests, single ranges, index.html. No
 * listing, no dot files, and no way out of the folder: neither `..` in any encoding nor a symbolic link. Streams; a
 * file is never held in memory. Source: RFC 9110 §13 and §14.
 */
import { join, sep } from "node:path";
import { lookup } from "mrmime";
import { Refusal } from "../../core/errors.ts";
import type { HttpService } from "./routes.ts";
import { MethodRefusal } from "./routes.ts";

/** Serves `folder` under the URL prefix `prefix` (`/assets/`), which is cut off. */
export function staticFiles(folder: string, prefix: string): HttpService {
  const root = Deno.realPathSync(folder);
  return async (request) => {
    if (request.method !== "GET" && request.method !== "HEAD") return new MethodRefusal(["GET", "HEAD"]);
    const path = new URL(request.url).pathname;
    const found = await resolve(root, path, prefix);
    if (found === undefined) return new Refusal("no_route");
    // Links within a page resolve against its folder only when the URL ends with a slash.
    if (found.folder && !path.endsWith("/")) return redirect(path, request.url);
    return await answer(request, found.path);
  };
}

/** A file below `root`, by itself or as the index of a folder; undefined for everything that must not be served. */
async function resolve(
  root: string,
  encoded: string,
  prefix: string,
): Promise<{ path: string; folder: boolean } | undefined> {
  let name: string;
  try {
    name = decodeURIComponent(encoded).slice(prefix.length);
  } catch {
    return undefined;
  }
  const parts = name.split("/").filter((part) => part !== "");
  if (parts.some((part) => part.startsWith(".") || part.includes("\\") || part.includes("\0"))) {
    return undefined;
  }
  try {
    let path = await Deno.realPath(join(root, ...parts));
    let info = await Deno.stat(path);
    const folder = info.isDirectory;
    if (folder) {
      path = await Deno.realPath(join(path, "index.html"));
      info = await Deno.stat(path);
    } else if (name.endsWith("/")) return undefined;
    // Only now opened: opening a named pipe would wait for whoever writes to it.
    return info.isFile && isWithin(root, path) ? { path, folder } : undefined;
  } catch {
    return undefined;
  }
}

/** Where links lead counts as well: neither out of the folder nor to a dot file in it. */
function isWithin(root: string, path: string): boolean {
  const base = root.endsWith(sep) ? root : root + sep;
  return path.startsWith(base) && !path.slice(base.length - 1).includes(`${sep}.`);
}

/** To the same place with a slash, relative, because a prefix may have been cut off on the way here. */
function redirect(path: string, url: string): Response {
  const name = path.slice(path.lastIndexOf("/") + 1);
  const query = url.indexOf("?");
  const location = `./${name}/${query < 0 ? "" : url.slice(query)}`;
  return new Response(null, { status: 308, headers: { location } });
}

async function answer(request: Request, path: string): Promise<Response | Refusal> {
  const file = await Deno.open(path).catch(() => undefined);
  if (!file) return new Refusal("no_route");
  try {
    return await answerWith(request, path, file);
  } catch (error) {
    file.close();
    throw error;
  }
}

async function answerWith(request: Request, path: string, file: Deno.FsFile): Promise<Response> {
  const info = await file.stat();
  const modified = info.mtime ?? new Date(0);
  const tag = `"${info.size.toString(36)}-${modified.getTime().toString(36)}"`;
  const headers = new Headers({
    etag: tag,
    "last-modified": modified.toUTCString(),
    "accept-ranges": "bytes",
    "content-type": contentType(path),
    "x-content-type-options": "nosniff",
  });
  if (isFresh(request, tag, modified)) {
    file.close();
    return new Response(null, { status: 304, headers });
  }
  const range = requestedRange(request, tag, modified, info.size);
  if (range === "unsatisfiable") {
    file.close();
    headers.set("content-range", `bytes */${info.size}`);
    return new Response(null, { status: 416, headers });
  }
  const { start, end } = range ?? { start: 0, end: info.size };
  if (range) headers.set("content-range", `bytes ${start}-${end - 1}/${info.size}`);
  headers.set("content-length", String(end - start));
  const status = range ? 206 : 200;
  if (request.method === "HEAD") {
    file.close();
    return new Response(null, { status, headers });
  }
  if (start > 0) await file.seek(start, Deno.SeekMode.Start);
  if (end === start) {
    file.close();
    return new Response(null, { status, headers });
  }
  // Also for the whole file: one that grows meanwhile must not be longer than announced.
  const body = file.readable.pipeThrough(firstBytes(end - start));
  return new Response(body, { status, headers });
}

function contentType(path: string): string {
  const type = lookup(path) ?? "application/octet-stream";
  return type.startsWith("text/") || type === "application/javascript" ? `${type}; charset=utf-8` : type;
}

function isFresh(request: Request, tag: string, modified: Date): boolean {
  const tags = request.headers.get("if-none-match");
  if (tags !== null) return tags.split(",").some((one) => ["*", tag, `W/${tag}`].includes(one.trim()));
  const since = Date.parse(request.headers.get("if-modified-since") ?? "");
  return since >= Math.floor(modified.getTime() / 1000) * 1000;
}

/** The one range that is asked for, end exclusive. Several ranges, or a stale If-Range, get the whole file. */
function requestedRange(
  request: Request,
  tag: string,
  modified: Date,
  size: number,
): { start: number; end: number } | "unsatisfiable" | undefined {
  const header = request.headers.get("range");
  const found = header === null ? null : /^bytes=(\d*)-(\d*)$/.exec(header.trim());
  if (!found || (found[1] === "" && found[2] === "")) return undefined;
  const condition = request.headers.get("if-range");
  if (condition !== null && condition !== tag && condition !== modified.toUTCString()) return undefined;
  const start = found[1] === "" ? Math.max(0, size - Number(found[2])) : Number(found[1]);
  const end = found[1] === "" || found[2] === "" ? size : Math.min(size, Number(found[2]) + 1);
  if (start >= size || start >= end) return "unsatisfiable";
  return { start, end };
}

function firstBytes(count: number): TransformStream<Uint8Array, Uint8Array> {
  let left = count;
  return new TransformStream({
    transform(chunk, controller) {
      controller.enqueue(chunk.subarray(0, left));
      left -= chunk.length;
      if (left <= 0) controller.terminate();
    },
  });
}
