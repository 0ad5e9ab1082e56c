/**
 * The request target that an upstream gets, cut from the URL as the client wrote it. What the route matched is what is
 * sent: dot segments are resolved, and a path that would only get them by being unescaped once more (`%2e%2e%2f`,
 * `..%5c`, `..;`) is refused, because servers behind this one differ in what they unescape. Everything else stays as
 * it was written. Pure.
 */

/** Characters that may be in a path as they stand: not escapes, backslashes, fragments or anything that begins with a dot. */
const plainPath = /^(?:\/(?!\.)[!$&-.0-[\]-~]*)+$/;
/** What may be in a query; `#` ends it. */
const plainQuery = /^[!"$-~]*$/;
const dotSegment = /(?:^|[/\\])\.\.?(?:;[^/\\]*)?(?:[/\\]|$)/;
/** Escapes within escapes deeper than this are nobody's honest path. */
const maxDepth = 4;

/** The authority of `url` (`host:port`); empty where there is none. */
export function authorityOf(url: string): string {
  const start = url.indexOf("://") + 3;
  const end = url.indexOf("/", start);
  return end < 0 ? url.slice(start) : url.slice(start, end);
}

/** Path and query of `url` in origin form; undefined for a path that is refused. */
export function targetOf(url: string): string | undefined {
  const start = url.indexOf("/", url.indexOf("://") + 3);
  if (start < 0) return "/";
  const mark = url.indexOf("?", start);
  const path = mark < 0 ? url.slice(start) : url.slice(start, mark);
  if (plainPath.test(path)) {
    return mark < 0 ? path : plainQuery.test(url.slice(mark)) ? url.slice(start) : canonical(url);
  }
  return canonical(url);
}

function canonical(url: string): string | undefined {
  if (!URL.canParse(url)) return undefined;
  const { pathname, search } = new URL(url);
  return hidesDots(pathname) ? undefined : pathname + search;
}

/** Whether `path` has dot segments for somebody who unescapes it, however often. */
function hidesDots(path: string): boolean {
  let text = path;
  for (let depth = 0; depth < maxDepth; depth++) {
    if (dotSegment.test(text)) return true;
    if (!text.includes("%")) return false;
    const plain = text.replace(
      /%(?:2[5EFef]|3[Bb]|5[Cc])/g,
      (escape) => String.fromCharCode(parseInt(escape.slice(1), 16)),
    );
    if (plain === text) return false;
    text = plain;
  }
  return true;
}

/** Cuts path prefixes; made once per route. */
export class PrefixCut {
  /** UTF-8 of the prefix, without slashes at its end. */
  readonly #prefix: Uint8Array;

  constructor(prefix: string) {
    this.#prefix = new TextEncoder().encode(prefix.replace(/\/+$/, ""));
  }

  /** `target` without the prefix, which may be escaped in it; undefined where it does not begin with it. */
  cut(target: string): string | undefined {
    const end = this.#endOf(target);
    if (end < 0) return undefined;
    const rest = target.slice(end);
    if (rest === "" || rest.startsWith("?")) return `/${rest}`;
    return rest.startsWith("/") ? rest : undefined;
  }

  #endOf(target: string): number {
    let at = 0;
    for (const byte of this.#prefix) {
      const code = target.charCodeAt(at);
      if (code === 0x25) {
        if (parseInt(target.slice(at + 1, at + 3), 16) !== byte) return -1;
        at += 3;
      } else {
        if (code !== byte) return -1;
        at++;
      }
    }
    return at;
  }
}
