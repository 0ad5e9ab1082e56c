/**
 * Texts that travel back with a reply to a caller with tracking (version 2), beside the result: set by the handler, one
 * record per request.
 */

const key = Symbol.for("weir.thrift.replyMeta");

/** The record that goes back with the reply of this request: `replyMeta(ctx).shard = "3"`. Others never see it. */
export function replyMeta(context: object): Record<string, string> {
  const holder = context as { [key]?: Record<string, string> };
  return holder[key] ??= {};
}

/** What was set, where something was. */
export function replyMetaOf(context: object): Readonly<Record<string, string>> | undefined {
  return (context as { [key]?: Record<string, string> })[key];
}
