import assert from "node:assert/strict";
import { connects } from "../../tests/provision.ts";
import { bootService } from "../boot_service.ts";

const rpcPort = 27_710;
const webPort = 27_712;

/** One call as the README shows it. */
async function call(method: string, args: string): Promise<[code: number, text: string]> {
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      "-A",
      "mod.ts",
      "call",
      `127.0.0.1:${rpcPort}`,
      "examples/thrift/split.thrift",
      method,
      args,
    ],
    cwd: new URL("../../", import.meta.url),
    env: { NO_COLOR: "1" },
    stdin: "null",
  }).output();
  const text = new TextDecoder();
  return [code, text.decode(stdout) || text.decode(stderr)];
}

Deno.test("examples/thrift answers HTTP by calling a Thrift service", async () => {
  await using splitter = await bootService("examples/thrift/service.yaml", {
    port: rpcPort,
    path: () => connects(rpcPort),
  });
  await using web = await bootService("examples/thrift/web.yaml", {
    port: webPort,
    path: "/split/button?user=u1",
    env: { SPLITTER_PORT: `${rpcPort}` },
  });
  const [code, text] = await call("split", '{"experiment":"button","user":"u1"}');
  assert.equal(code, 0, text);
  const assignment = JSON.parse(text);
  assert.ok(["green", "blue"].includes(assignment.variant));
  const ask = async (path: string) => {
    const response = await fetch(`${web.url}/split/${path}`);
    return [response.status, await response.json()];
  };
  assert.deepEqual(await ask("button?user=u1"), [200, assignment]);
  assert.deepEqual(await ask("nothing?user=u1"), [404, { unknown: "nothing" }]);
  assert.deepEqual(await call("split", '{"experiment":"nothing","user":"u1"}'), [
    1,
    '{"exception":"UnknownExperiment","experiment":"nothing"}\n',
  ]);
  const answers = await Promise.all(Array.from({ length: 500 }, (_, n) => ask(`checkout?user=${n}`)));
  assert.deepEqual(new Set(answers.map(([status]) => status)), new Set([200]));
  const sums = async () => Object.values(JSON.parse((await call("counts", "{}"))[1])) as number[];
  await splitter.waitFor("all were seen", async () => (await sums()).reduce((a, b) => a + b, 0) >= 502);

  // The splitter leaves between two calls: the connections of the web idle, and it says goodbye.
  assert.equal(await splitter.stop(), 0, splitter.output());
  assert.ok([502, 503].includes((await fetch(`${web.url}/split/button?user=u1`)).status));
  assert.equal(await web.stop(), 0, web.output());
});
