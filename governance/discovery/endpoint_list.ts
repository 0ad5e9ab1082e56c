/**
 * A file of endpoints: a list in the form of `discover.static`, as YAML or JSON. Anything wrong in it makes all of it
 * wrong, with line and column: half a list is no list. Loads the YAML parser where the text is no JSON, or wrong.
 */
import { dirname } from "node:path";
import type { Document, Node } from "yaml";
import type { EndpointSpec } from "../../core/endpoint.ts";
import { mostEndpoints } from "../../core/upstream/endpoint_feed_source.ts";
import { endpointFrom, EndpointValueError } from "./endpoint_value.ts";

/** Rejects with a SyntaxError that begins with `file:line:column`. */
export async function parseEndpointList(text: string, file: string): Promise<EndpointSpec[]> {
  const directory = dirname(file);
  if (/^\s*\[/.test(text)) {
    try {
      // 10,000 endpoints in a ms; what is wrong with them the slow way below finds out.
      return listFrom(JSON.parse(text), directory);
    } catch {
      // not JSON, or not good
    }
  }
  const { isAlias, LineCounter, isMap, isSeq, parseDocument } = await import("yaml");
  const lines = new LineCounter();
  const place = (offset: number) => {
    const { line, col } = lines.linePos(offset);
    return `${file}:${line}:${col}`;
  };
  const document: Document.Parsed = parseDocument(text, { lineCounter: lines, prettyErrors: false });
  const [error] = document.errors;
  if (error) throw new SyntaxError(`${place(error.pos[0])}: ${error.message}`);
  const list = document.contents;
  if (list === null) return [];
  const start = (node: unknown) => (node as Node | null)?.range?.[0] ?? 0;
  if (!isSeq(list)) throw new SyntaxError(`${place(start(list))}: must be a list of endpoints`);
  if (list.items.length > mostEndpoints) {
    throw new SyntaxError(
      `${place(start(list))}: ${list.items.length} endpoints are more than ${mostEndpoints}`,
    );
  }
  return list.items.map((item) => {
    try {
      return endpointFrom((item as Node | null)?.toJS(document, { maxAliasCount: 100 }), {
        strict: true,
        directory,
      });
    } catch (error) {
      const map = isAlias(item) ? item.resolve(document) : item;
      const pair = error instanceof EndpointValueError && isMap(map)
        ? map.items.find((one) => (one.key as { value?: unknown } | null)?.value === error.key)
        : undefined;
      const at = pair ? start(pair.value ?? pair.key) : start(item);
      throw new SyntaxError(`${place(at)}: ${(error as Error).message}`);
    }
  });
}

function listFrom(value: unknown, directory: string): EndpointSpec[] {
  if (!Array.isArray(value) || value.length > mostEndpoints) throw new SyntaxError("no list");
  return value.map((one) => endpointFrom(one, { strict: true, directory }));
}
