/** Apache Thrift without generated code: the protocol of listeners, and what handlers and callers use. */
export { thrift, type ThriftPlan } from "./protocol.ts";
export { applicationErrors, ApplicationException } from "./application_exception.ts";
export type { ThriftHandler, ThriftMethod } from "./handler.ts";
export { replyMeta } from "./reply_meta.ts";
export { ThriftException } from "./thrift_exception.ts";
