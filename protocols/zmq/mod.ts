/** ZeroMQ: the protocol, the upstream, and what handlers get and give. */
export { zmq } from "./protocol.ts";
export { Multipart, multipart, ZmqMessage } from "./message.ts";
export type { ZmqHandler } from "./handler.ts";
