import assert from "node:assert/strict";
import type { Terminal } from "../../core/cli/command.ts";
import { main } from "../../core/cli/main.ts";
import { run } from "../../mod.ts";
import { callCommand } from "./call_command.ts";

const folder = new URL("testdata/", import.meta.url).pathname;
const idl = `${folder}everything.thrift`;

async function weir(...args: string[]): Promise<[code: number, out: string, err: string]> {
  let out = "";
  let err = "";
  const terminal: Terminal = { out: (text) => out += text, err: (text) => err += text, human: false };
  const code = await main(["call", ...args], terminal, [callCommand]);
  return [code, out, err.replace("\n--help lists all commands", "")];
}

Deno.test("call makes one call, and says by its exit code what came of it", async (t) => {
  await using service = await run({
    service: "called",
    listeners: {
      rpc: {
        protocol: "thrift",
        listen: "127.0.0.1:0",
        idl,
        service: "Test",
        handler: `${folder}handler.ts`,
      },
    },
    workers: { drain: "100ms" },
    logs: { level: "fatal" },
    meta: false,
  }, { inProcess: true });
  await service.ready;
  const address = service.addresses.rpc![0]!;

  await t.step("0 and the reply as JSON", async () => {
    assert.deepEqual(await weir(address, idl, "hello", '{"name": "bob"}'), [0, '"hi bob"', ""]);
    assert.deepEqual(await weir(address, idl, "nop"), [0, "null", ""]);
    for (const how of [["--transport", "framed"], ["--protocol=compact"], ["--tracking"]]) {
      const sent =
        '{"value":{"large":1152921504606846977,"bytes":{"base64":"AP8="},"words":["a"],"nested":{"7":[]}}}';
      const [code, out] = await weir(address, idl, "echo", sent, ...how);
      assert.equal(code, 0);
      assert.equal(out, `{"medium":42,${sent.slice(10, -1)}`);
    }
    const [, out] = await weir(address, idl, "who", "--tracking");
    assert.match(JSON.parse(out).id, /^[0-9a-f-]{36}$/);
  });

  await t.step("1 and the exception where the method throws", async () => {
    assert.deepEqual(await weir(address, idl, "fail", '{"how":"refused"}'), [
      1,
      "",
      '{"exception":"Refused","why":"so","code":7}',
    ]);
    const [code, , err] = await weir(address, idl, "fail", '{"how":"boom"}');
    assert.deepEqual([code, JSON.parse(err)], [1, {
      exception: "TApplicationException",
      type: "internalError",
      message: "handler_error: the handler failed",
    }]);
  });

  await t.step("2 where the command line is wrong", async () => {
    const wrong: Array<[string[], RegExp]> = [
      [[address, idl], /call needs <method>/],
      [[address, idl, "helo"], /^Cannot call helo: Test has no such method; did you mean hello\?$/],
      [[address, idl, "hello", '{"name":1}'], /^Cannot call hello: name: must be a string, not 1$/],
      [[address, idl, "hello", '{"name"'], /^the arguments are no JSON/],
      [[address, idl, "hello", "[]"], /^the arguments must be a JSON object/],
      [
        [address, idl, "hello", "{}", "--service", "Tset"],
        /there is no service `Tset`; did you mean `Test`\?$/,
      ],
      [
        [address, idl, "hello", "{}", "--transport", "udp"],
        /^`--transport` must be buffered or framed, not `udp`$/,
      ],
      [[address, idl, "hello", "{}", "--timeout", "5"], /^`5` is no duration/],
      [[address, `${folder}none.thrift`, "hello"], /none\.thrift/],
      [[address, `${folder}handler.ts`, "hello"], /handler\.ts:\d+:\d+: .* means nothing here$/],
    ];
    for (const [args, message] of wrong) {
      const [code, out, err] = await weir(...args);
      assert.equal(code, 2, err);
      assert.match(err, message);
      assert.equal(out, "");
    }
  });

  await t.step("3 where nobody answers, or not in time", async () => {
    const [code, , err] = await weir(address, idl, "wait", '{"ms":2000}', "--timeout", "100ms");
    assert.deepEqual([code, err], [3, `No reply from ${address} within 100 ms`]);
    const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    const { port } = listener.addr as Deno.NetAddr;
    assert.deepEqual(await weir(`127.0.0.1:${port}`, idl, "ping", "--tracking", "--timeout", "100ms"), [
      3,
      "",
      `No reply from 127.0.0.1:${port} within 100 ms`,
    ]);
    listener.close();
    assert.deepEqual(await weir(`127.0.0.1:${port}`, idl, "ping"), [
      3,
      "",
      `Cannot connect to 127.0.0.1:${port}: refused`,
    ]);
  });
});

Deno.test("call --help says how to speak TLS", async () => {
  const [code, out] = await weir("--help");
  assert.equal(code, 0);
  for (const option of ["--tls", "--ca <file>", "--cert <file>", "--key <file>", "--server-name <name>"]) {
    assert.ok(out.includes(`  ${option} `), option);
  }
});
