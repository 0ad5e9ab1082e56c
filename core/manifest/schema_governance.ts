/** Registry, configuration and switches. */
import { z } from "zod";
import { etcd, zookeeper } from "./schema_store.ts";
import { byName, defaulted, exactlyOne, name, optional, required, section } from "./terms.ts";
import { share } from "./terms_quantity.ts";
import { existing, path } from "./terms_path.ts";

export const governance = optional(
  section(() =>
    z.strictObject({
      store: optional(
        exactlyOne({
          zookeeper: required(zookeeper(), "ZooKeeper."),
          etcd: required(etcd(), "etcd."),
          file: required(path("the path of a folder"), "A folder, for one machine."),
        }),
        "Where registry, configuration, switches and leadership live.",
      ),
      register: defaulted(
        z.array(name()),
        [],
        "Listeners announced in the registry when ready and probed; withdrawn before drain.",
      ),
      config: optional(
        z.strictObject({
          defaults: optional(existing("file", "a configuration file"), "YAML file of default values."),
        }),
        "Configuration for handlers, layered: defaults < app < cluster.",
      ),
      switches: defaulted(
        byName(z.union([z.boolean(), share()], { error: (issue) => switchError(issue.input) })),
        {},
        "Switches and the share of traffic for which each is on: `10%`, true or false.",
      ),
      cache: defaulted(
        path("the path of a folder"),
        "./var/governance",
        "Last good copy on disk: the service starts when the store is down.",
      ),
    })
  ),
  "Registry, configuration and switches.",
);

function switchError(input: unknown): string {
  const bare = typeof input === "number" || (typeof input === "string" && /^[0-9.]+$/.test(input));
  return bare
    ? `must be \`true\`, \`false\` or a share\u0001${input}%`
    : "must be `true`, `false` or a share such as `10%`";
}
