/**
 * Files of a folder: GET and HEAD, ETag and Last-Modified with conditional requests, single ranges, index.html. No
 * listing, no dot files, and no way out of the folder: neither `..` in any encoding nor a symbolic link. Streams; a
 * file is never held in memory. Source: RFC 9110 §13 and §14.
 */
import { join, sep } from "node:path";
import { lookup } from "mrmime";
import { Refusal } from "../../core/errors.ts";
import type { HttpService } from "./routes.ts";
import { pathOf } from "./routes.ts";

/** Serves `folder` under the URL prefix `prefix` (`/assets/`), which is cut off. */
export function staticFiles(folder: string, prefix: string): HttpService {
  const root = Deno.realPathSync(folder);
  return async (request) => {
    if (request.method !== "GET" && request.method !== "HEAD") return new Refusal("method_not_allowed");
    const path = await resolve(root, pathOf(request.url).slice(prefix.length));
    return path === undefined ? new Refusal("no_route") : await answer(request, path);
  };
}

/** The real path of a file below `root`, undefined for everything that must not be served. */
async function resolve(root: string, encoded: string): Promise<string | undefined> {
  let name: string;
  try {
    name = decodeURIComponent(encoded);
  } catch {
    return undefined;
  }
  const parts = name.split("/").filter((part) => part !== "");
  if (parts.some((part) => part.startsWith(".") || part.includes("\\") || part.includes("\0"))) {
    return undefined;
  }
  try {
    let path = await Deno.realPath(join(root, ...parts));
    if ((await Deno.stat(path)).isDirectory) path = await Deno.realPath(join(path, "index.html"));
    return path.startsWith(root + sep) ? path : undefined;
  } catch {
    return undefined;
  }
}

async function answer(request: Request, path: string): Promise<Response | Refusal> {
  const file = await Deno.open(path).catch(() => undefined);
  if (!file) return new Refusal("no_route");
  const info = await file.stat();
  if (!info.isFile) {
    file.close();
    return new Refusal("no_route");
  }
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
  const body = end === info.size ? file.readable : file.readable.pipeThrough(firstBytes(end - start));
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
