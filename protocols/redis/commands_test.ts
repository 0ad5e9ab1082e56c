import assert from "node:assert/strict";
import { provision } from "../../tests/provision.ts";
import { commandOf, knownCommands } from "./commands.ts";
import { connectTo } from "./testdata/direct.ts";

const range = { from: 22_400, to: 22_500 };

Deno.test("commands: the table agrees with what a server says of its commands", async () => {
  await using server = await provision("redis", { range });
  using peer = await connectTo(server.ports[0]);
  const attempt = peer.start("COMMAND");
  await attempt.over;
  type Row = [name: string, arity: number, flags: string[], firstKey: number];
  const rows = new Map((attempt.reply as unknown as Row[]).map((row) => [row[0].toUpperCase(), row]));
  assert.ok(rows.size > 200);
  const known = new Map(knownCommands().map((command) => [command.name, command]));
  // These say something about the server, not about keys; the server calls them neither reading nor writing.
  const aboutServer = new Set(["PING", "ECHO", "TIME", "INFO", "LASTSAVE", "COMMAND"]);
  // Containers of commands of which none writes.
  const containers = new Set(["OBJECT", "XINFO"]);
  for (const { name, keyAt, options } of known.values()) {
    const row = rows.get(name);
    if (!row) continue; // of another version
    const [, , flags, firstKey] = row;
    if (options.idempotent && !aboutServer.has(name) && !containers.has(name)) {
      assert.ok(flags.includes("readonly"), `${name} does more than read`);
    }
    assert.ok(!(options.idempotent && flags.includes("write")), name);
    if (options.idempotent && keyAt >= 0 && firstKey > 0) assert.equal(keyAt, firstKey - 1, `key of ${name}`);
  }
  for (const [name, [, , flags]] of rows) {
    if (!flags.includes("blocking") || name === "XREAD" || name === "XREADGROUP") continue;
    assert.ok(known.get(name)?.refusal?.([]), `${name} blocks and is not refused`);
  }
});

Deno.test("commandOf() knows names in any case", () => {
  assert.equal(commandOf("get"), commandOf("GET"));
  assert.equal(commandOf("gEt"), commandOf("GET"));
  assert.equal(commandOf("GET").options.idempotent, true);
  assert.equal(commandOf("SET").options.idempotent, false);
  assert.equal(commandOf("My.Module").options.method, "MY.MODULE");
  assert.equal(commandOf("my.module").options.idempotent, false);
});

Deno.test("Command.refusal() looks at arguments where it must", () => {
  const refusal = (name: string, ...args: string[]) => commandOf(name).refusal?.(args);
  assert.match(refusal("BLPOP", "list", "0")!, /blocks the connection/);
  assert.match(refusal("multi")!, /use transaction\(\)/);
  assert.match(refusal("SUBSCRIBE", "x")!, /use subscribe\(\)/);
  assert.match(refusal("XREAD", "COUNT", "1", "block", "0", "STREAMS", "s", "$")!, /with BLOCK/);
  assert.equal(refusal("XREAD", "COUNT", "1", "STREAMS", "BLOCK", "0"), undefined);
  assert.match(refusal("CLIENT", "reply", "OFF")!, /shared|share/);
  assert.equal(refusal("CLIENT", "LIST"), undefined);
  assert.equal(refusal("GET", "BLOCK"), undefined);
});
