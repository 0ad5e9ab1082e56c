/**
 * What a worker is built with. Server filters stand in request order; each says itself why it stands where it stands.
 * This list is the only registration there is.
 */
import type { UpstreamParts } from "./core/upstream/contract.ts";
import { access } from "./governance/access/mod.ts";
import { admit } from "./governance/admit/mod.ts";
import { policies } from "./governance/policies.ts";
import { framesUpstream } from "./protocols/frames/client/mod.ts";
import { frames } from "./protocols/frames/mod.ts";
import { httpUpstream } from "./protocols/http/client/mod.ts";
import { http } from "./protocols/http/mod.ts";
import { kafka } from "./protocols/kafka/protocol.ts";
import { redisUpstream } from "./protocols/redis/mod.ts";
import { thriftUpstream } from "./protocols/thrift/client/mod.ts";
import { thrift } from "./protocols/thrift/mod.ts";
import { zmqUpstream } from "./protocols/zmq/client/mod.ts";
import { zmq } from "./protocols/zmq/protocol.ts";

/** Every protocol that listeners can speak. */
export const protocols = [http, frames, thrift, zmq, kafka] as const;

/** Every filter between a listener and its handlers, outermost first. */
export const serverFilters = [access, admit] as const;

/** Every protocol that upstreams can speak, and the policies of their stacks. */
export const upstreamParts: UpstreamParts = {
  ...policies,
  protocols: [httpUpstream, redisUpstream, framesUpstream, thriftUpstream, zmqUpstream],
};
