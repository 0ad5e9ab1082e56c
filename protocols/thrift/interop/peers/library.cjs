"use strict";
// Apache Thrift's library for Node with code that its compiler has generated, as the peers of the matrix use it.
const { readFileSync } = require("node:fs");
const thrift = require("thrift");
const { Values } = require("./values.cjs");

const told = JSON.parse(readFileSync(process.argv[2], "utf8"));
const generated = (name) => require(`${told.folder}/gen-nodejs/${name}`);
const types = [generated("interop_types"), generated("shapes_types")];

function make(name, fields) {
  const Struct = types.map((module) => module[name]).find((found) => found);
  return new Struct(fields);
}

function options({ protocol, transport }) {
  return {
    protocol: protocol === "compact" ? thrift.TCompactProtocol : thrift.TBinaryProtocol,
    transport: transport === "framed" ? thrift.TFramedTransport : thrift.TBufferedTransport,
  };
}

module.exports = { thrift, told, generated, make, options, values: new Values(told, make) };
