"use strict";
// A Thrift client on Node that asks every case in every configuration: a line of JSON for each.
const { isDeepStrictEqual } = require("node:util");
const { thrift, told, generated, options, values } = require("./library.cjs");

/** The promises of generated code want a package that the library no longer brings. */
function call(client, method, ...args) {
  return new Promise((resolve, reject) => {
    client[method](...args, (error, result) => error ? reject(error) : resolve(result));
  });
}

/** What is wrong, or null. */
async function ask(configuration, client, { kind, method, type, sent, seen, throws }) {
  if (kind === "echo") {
    const found = values.form(type, await call(client, method, values.native(type, sent[0])));
    return isDeepStrictEqual(found, seen) ? null : JSON.stringify(found);
  }
  if (kind === "oneway") {
    const mine = configuration.name + sent[0];
    await call(client, "shout", mine);
    return await call(client, "heard", mine) === "heard" ? null : "not heard";
  }
  if (kind === "who") {
    const said = await call(client, "who");
    return "tenant" in said ? JSON.stringify(said) : null;
  }
  let result;
  try {
    result = await call(client, method, ...sent);
  } catch (error) {
    if (kind === "unknown") return error.type === 1 ? null : String(error);
    if (kind === "error") return error.type === 6 && !/secret/.test(error.message) ? null : String(error);
    if (kind !== "throws" || error.name !== throws) throw error;
    const found = values.form(["struct", throws], error);
    return isDeepStrictEqual(found, seen) ? null : JSON.stringify(found);
  }
  if (kind === "void") return result === undefined || result === null ? null : JSON.stringify(result);
  return kind === "returns" && result === seen ? null : JSON.stringify(result);
}

function limited(promise) {
  let timer;
  const limit = new Promise((_, reject) => timer = setTimeout(() => reject(new Error("no answer")), 2000));
  return Promise.race([promise, limit]).finally(() => clearTimeout(timer));
}

async function main() {
  for (const configuration of told.configurations) {
    const connection = thrift.createConnection("127.0.0.1", configuration.port, options(configuration));
    connection.on("error", () => {});
    const client = thrift.createClient(generated("Further"), connection);
    for (const [number, one] of told.cases.entries()) {
      if (configuration.skip.includes(number)) continue;
      const trouble = await limited(ask(configuration, client, one)).catch(String);
      console.log(JSON.stringify({ configuration: configuration.name, case: number, trouble }));
    }
    connection.end();
  }
}

main();
