// Client or server of Test (everything.thrift) with Apache Thrift for Node: the same words as peer.py understands.
//
//     peer.cjs apache <server|client> <port> <buffered|framed> <binary|compact> native
//
// Stands beside `gen-nodejs`, made by the Thrift compiler, and `node_modules` with the package `thrift`.
const assert = require("node:assert/strict");
const thrift = require("thrift");
const Int64 = require("node-int64");
const Test = require("./gen-nodejs/Test.js");
const types = require("./gen-nodejs/everything_types.js");
const shared = require("./gen-nodejs/shared_types.js");

const [, role, portText, transportName, protocolName] = process.argv.slice(2);
const port = Number(portText);
const options = {
  transport: transportName === "framed" ? thrift.TFramedTransport : thrift.TBufferedTransport,
  protocol: protocolName === "compact" ? thrift.TCompactProtocol : thrift.TBinaryProtocol,
};

let heard = "";
const handler = {
  ping: () => "pong",
  nop: () => {},
  echo: (value) => value,
  hello: (name) => `hi ${name}`,
  add: (left, right) => new Int64(longOf(BigInt(hex(left)) + BigInt(hex(right)))),
  async fail(how) {
    if (how === "missing") throw new types.NotFound({ key: "k", inner: new types.Inner({ name: "n", children: [] }) });
    if (how === "refused") throw new shared.Refused({ why: "so", code: 7 });
    throw new Error("broken");
  },
  split: (text, by) => text.split(by),
  shout: (text) => void (heard = text),
  heard: () => heard,
  who: () => ({}),
  reverse: (bytes) => Buffer.from(bytes).reverse(),
  wait: (ms) => new Promise((resolve) => setTimeout(resolve, ms, String(ms))),
};

function hex(value) {
  return typeof value === "number" ? value : `0x${value.toOctetString()}`;
}

function longOf(value) {
  const buffer = Buffer.alloc(8);
  buffer.writeBigUInt64BE(BigInt.asUintN(64, value));
  return buffer;
}

function everything() {
  const inner = new types.Inner({
    name: "i",
    colour: 1,
    children: [new types.Inner({ name: "c", colour: 2, children: [] })],
  });
  return new types.Everything({
    yes: true,
    tiny: -3,
    small: -300,
    medium: 7,
    large: new Int64(longOf(2n ** 60n + 1n)),
    real: -1.5,
    text: "h\u00e9llo \u2603",
    bytes: Buffer.from([0, 255, 128]),
    numbers: [1, -2, 2147483647, -2147483648],
    words: ["a", "b"],
    ids: { x: new Int64(1099511627776), y: new Int64(-1) },
    colour: 10,
    inner,
    choice: new types.Choice({ number: 4 }),
    // Its compact protocol reads all bools of lists as false (readBool in compact_protocol.js, 0.24.0).
    bits: protocolName === "compact" ? [] : [true, false, true],
    nested: { "-1": [inner], 70000: [] },
    no: false,
    far: "far",
    deep: [{ z: [new Int64(1), new Int64(2)] }, {}],
  });
}

function plain(value) {
  if (value instanceof Int64) return `i64 ${value.toOctetString()}`;
  if (Buffer.isBuffer(value)) return `bytes ${value.toString("hex")}`;
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).filter(([, one]) => one !== null).map(([key, one]) => [key, plain(one)]));
}

async function runClient() {
  const connection = thrift.createConnection("127.0.0.1", port, options);
  connection.on("error", (error) => {
    console.log(JSON.stringify({ connection: String(error) }));
    process.exit(0);
  });
  const client = thrift.createClient(Test, connection);
  const results = {};
  const check = async (name, test) => {
    try {
      await test();
      results[name] = "ok";
    } catch (error) {
      results[name] = String(error).slice(0, 400);
    }
  };
  const equal = async (call, wanted) => assert.deepEqual(plain(await call()), wanted);
  await check("hello", () => equal(() => client.hello("bob"), "hi bob"));
  await check("inherited", () => equal(() => client.ping(), "pong"));
  await check("void", () => equal(() => client.nop(), undefined));
  await check("every type", async () => assert.deepEqual(plain(await client.echo(everything())), plain(everything())));
  await check("i64", () => equal(() => client.add(new Int64(longOf(2n ** 62n)), 1), "i64 4000000000000001"));
  await check("list", () => equal(() => client.split("a,b,c", ","), ["a", "b", "c"]));
  await check("declared exception", () =>
    assert.rejects(client.fail("missing"), (error) =>
      error instanceof types.NotFound && error.key === "k" && error.inner.name === "n"));
  await check("included exception", () =>
    assert.rejects(client.fail("refused"), (error) => error instanceof shared.Refused && error.why === "so"));
  await check("other exception", () =>
    assert.rejects(client.fail("boom"), (error) => error.type === 6 && !String(error).includes("secret")));
  await check("oneway", () => void client.shout("loud"));
  await check("after oneway", () => equal(() => client.heard(), "loud"));
  await check("large", async () => assert.equal((await client.hello("x".repeat(300000))).length, 300003));
  await check("pipelined", async () => {
    const all = await Promise.all(Array.from({ length: 100 }, (_, index) => client.hello(`${index}`)));
    assert.deepEqual(all, Array.from({ length: 100 }, (_, index) => `hi ${index}`));
  });
  console.log(JSON.stringify(results));
  process.exit(0);
}

if (role === "client") runClient();
else thrift.createServer(Test, handler, options).listen(port, "127.0.0.1");
