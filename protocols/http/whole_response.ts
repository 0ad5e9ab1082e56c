/**
 * What is known of an answer without waiting: its body where that is no stream, its fields where they are a content type
 * at most. Looks at the runtime's own part of a Response, as native_server.ts does, and at its marks first; where this
 * runtime does not tell, the answer is undefined.
 */
import { instantBody, instantContentType, instantStatus } from "./native_server.ts";

/** What is used of the runtime's own part of a body. */
interface InnerBody {
  streamOrStatic?: { body?: unknown; consumed?: unknown };
}

const text = new Response("x");
const textType = text.headers.get("content-type") ?? "";
/** Under this the prototype gives the runtime's part of the body, made where that was put off. */
const innerBody = Object.getOwnPropertySymbols(Response.prototype)
  .find((symbol) => symbol.description === "body");
const headerKind = Object.getOwnPropertySymbols(text)
  .find((symbol) => symbol.description === "serve fast header kind");
const textKind = kindOf(new Response("x"));
/** Whether text that was given no type has a mark of its own. */
const marksText = textKind !== undefined &&
  textKind !== kindOf(new Response("x", { headers: { "content-type": textType } })) &&
  textKind !== kindOf(new Response(new Uint8Array(1)));

function kindOf(response: Response): unknown {
  return headerKind && (response as unknown as Record<symbol, unknown>)[headerKind];
}

/** The unread body of an answer that is not a stream, null where it has none; undefined for every other. */
export function wholeBody(response: Response): string | Uint8Array | null | undefined {
  const instant = instantBody(response);
  if (instant !== undefined || innerBody === undefined) return instant;
  const body = (response as unknown as Record<symbol, InnerBody | null | undefined>)[innerBody];
  if (body === null) return null;
  const given = body?.streamOrStatic;
  if (given === undefined || given instanceof ReadableStream || given.consumed !== false) return undefined;
  return typeof given.body === "string" || given.body instanceof Uint8Array ? given.body : undefined;
}

/** The content type of an answer that has no other fields, empty for none; undefined where it may have others. */
export function onlyContentType(response: Response): string | undefined {
  if (instantStatus(response) === 0) return undefined;
  return marksText && kindOf(response) === textKind ? textType : instantContentType(response);
}
