"use strict";
// A Thrift server on Node for every configuration it is told of: each on a port of its own, all with one handler.
const { isDeepStrictEqual } = require("node:util");
const { thrift, told, generated, make, options, values } = require("./library.cjs");

const shouted = new Set();
const handler = {
  ping: (result) => result(null, "pong"),
  nop: (result) => result(null),
  fail(how, result) {
    if (how === "missing") return result(make("NotFound", { key: "k" }));
    if (how === "refused") return result(make("Refused", { why: "so", code: 8 }));
    if (how === "undeclared") return result(new Error("something of the server's own"));
    result(null, how);
  },
  failVoid: (how, result) => how === "missing" ? result(make("NotFound", { key: "k" })) : result(null),
  several: (text, number, yes, result) => result(null, `${text} ${number} ${yes ? "yes" : "no"}`),
  ordered: (text, number, yes, result) => handler.several(text, number, yes, result),
  shout: (text) => shouted.add(text),
  heard: (text, result) => result(null, shouted.has(text) ? "heard" : "never"),
  who: (result) => result(null, {}),
};

for (const { kind, method, type } of told.cases) {
  if (kind !== "echo" || handler[method]) continue;
  const forms = told.cases.filter((one) => one.method === method).map(({ seen }) => seen);
  handler[method] = (value, result) => {
    const seen = values.form(type, value);
    const form = forms.find((form) => isDeepStrictEqual(form, seen));
    if (form === undefined) result(make("Mismatch", { seen: JSON.stringify(seen) }));
    else result(null, values.native(type, form));
  };
}

for (const configuration of told.configurations) {
  const server = thrift.createServer(generated("Interop"), handler, options(configuration));
  // Clients that leave.
  server.on("error", () => {});
  server.listen(configuration.port, "127.0.0.1");
}
process.stdin.on("end", () => process.exit()).resume();
