import assert from "node:assert/strict";
import type { Call } from "../../core/server_filter.ts";
import { localStatsMemory } from "../../core/stats/mod.ts";
import { ManualClock } from "../../core/upstream/testdata/scripted.ts";
import { access } from "./mod.ts";

function filterOf(rules: { allow?: string[]; deny?: string[]; shadow?: boolean } | null) {
  const lines: string[] = [];
  const log = {
    debug() {},
    info: (message: string) => void lines.push(message),
    warn() {},
    error() {},
    child: () => log,
  };
  const stats = localStatsMemory(1).slot(0).writer({ role: "worker", id: 0 });
  const clock = new ManualClock();
  const plan = { access: rules && { allow: [], deny: [], shadow: false, ...rules } };
  const filter = access.make({ listener: "api", plan, stats, log, clock });
  return { filter, lines, clock };
}

const call = (known: { address?: string; client?: string; subject?: string }) =>
  ({ address: "192.0.2.1", client: "", subject: "", ...known }) as Call;

Deno.test("access is no filter where the manifest has no rules", () => {
  assert.equal(filterOf(null).filter, undefined);
});

Deno.test("access lets those in that are allowed by any rule and denied by none", () => {
  const { filter } = filterOf({
    allow: ["10.0.0.0/8", "fd00::/8", "client:web", "subject:billing"],
    deny: ["10.9.0.0/16", "client:batch", "subject:old"],
  });
  const table: Array<[Parameters<typeof call>[0], boolean]> = [
    [{ address: "10.1.2.3" }, true],
    [{ address: "::ffff:10.1.2.3" }, true],
    [{ address: "10.9.2.3" }, false],
    [{ address: "10.1.2.3", client: "batch" }, false],
    [{ address: "fd00::1" }, true],
    [{ address: "192.0.2.1" }, false],
    [{ address: "" }, false],
    [{ client: "web" }, true],
    [{ client: "web2" }, false],
    [{ client: "web", subject: "old" }, false],
    [{ subject: "billing" }, true],
    // A name that was only declared is no certificate.
    [{ client: "billing" }, false],
  ];
  for (const [known, may] of table) {
    const verdict = filter!.before(call(known));
    if (may) assert.equal(verdict, undefined, JSON.stringify(known));
    else assert.equal((verdict as { reason: string }).reason, "forbidden", JSON.stringify(known));
  }
});

Deno.test("access lets everybody in who is not denied where nobody is allowed by name", () => {
  const { filter } = filterOf({ deny: ["10.0.0.1"] });
  assert.equal(filter!.before(call({ address: "10.0.0.2" })), undefined);
  assert.ok(filter!.before(call({ address: "10.0.0.1" })));
});

Deno.test("access refuses nobody in the shadow, counts all and logs some", () => {
  const { filter, lines, clock } = filterOf({ allow: ["client:web"], shadow: true });
  for (let n = 0; n < 5; n++) assert.equal(filter!.before(call({})), undefined);
  clock.advance(1000);
  filter!.before(call({}));
  filter!.before(call({ client: "web" }));
  assert.deepEqual(lines, ["access would be refused", "access would be refused"]);
});
