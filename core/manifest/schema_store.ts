/** Places outside of the service where names and values are kept; discovery and governance share them. */
import { z } from "zod";
import { defaulted, optional, required, shaped, text } from "./terms.ts";
import { secret } from "./terms_path.ts";
import { peerAddress } from "./terms_address.ts";

/** Built where used: few manifests name a store. */
export const etcd = () =>
  z.strictObject({
    endpoints: required(z.array(peerAddress()).min(1), "etcd servers."),
    prefix: defaulted(text("a key prefix"), "/weir/", "Prefix of all keys."),
    user: optional(text("a user name"), "User name."),
    password: optional(secret(), "Password."),
  });

export const zookeeper = () =>
  z.strictObject({
    connect: required(
      shaped(
        /^[^\s,/]+:[0-9]{1,5}(?:,[^\s,/]+:[0-9]{1,5})*$/,
        "servers such as `127.0.0.1:2181` or `zk1:2181,zk2:2181`",
      ),
      "ZooKeeper servers, separated by commas.",
    ),
    path: defaulted(
      shaped(/^\/\S*$/, "a path that begins with `/`"),
      "/weir",
      "Node below which everything is.",
    ),
    auth: optional(secret(), "`user:password` for digest authentication."),
  });
