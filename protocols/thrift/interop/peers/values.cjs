"use strict";
// Values of the matrix: from the form of cases.ts to what Apache Thrift's library for Node takes, and back.
const Int64 = require("node-int64");

class Values {
  constructor(told, make) {
    this.structs = told.structs;
    this.make = make;
  }

  native(kind, form) {
    if (kind === "i64") return new Int64(hexOf(BigInt(form)));
    if (kind === "double") return Number(form);
    if (kind === "binary") return Buffer.from(form, "hex");
    if (typeof kind === "string") return form;
    if (kind[0] === "list" || kind[0] === "set") return form.map((one) => this.native(kind[1], one));
    if (kind[0] === "map") {
      return Object.fromEntries(form.map(([key, one]) => [key, this.native(kind[2], one)]));
    }
    const fields = Object.entries(form).map(([name, one]) => [
      name,
      this.native(this.structs[kind[1]][name], one),
    ]);
    return this.make(kind[1], Object.fromEntries(fields));
  }

  form(kind, value) {
    if (kind === "i64") return bigOf(value).toString();
    if (kind === "double") return Number.isFinite(value) && !Object.is(value, -0) ? value : special(value);
    if (kind === "binary") return Buffer.from(value).toString("hex");
    if (typeof kind === "string") return value;
    if (kind[0] === "list") return value.map((one) => this.form(kind[1], one));
    if (kind[0] === "set") return value.map((one) => this.form(kind[1], one)).sort(byText);
    if (kind[0] === "map") {
      return Object.entries(value).map(([key, one]) => [
        kind[1] === "string" ? key : Number(key),
        this.form(kind[2], one),
      ]).sort(([one], [other]) => byText(one, other));
    }
    const form = {};
    for (const [name, type] of Object.entries(this.structs[kind[1]])) {
      if (value[name] !== null && value[name] !== undefined) form[name] = this.form(type, value[name]);
    }
    return form;
  }
}

function hexOf(big) {
  return BigInt.asUintN(64, big).toString(16).padStart(16, "0");
}

/** The library gives what fits as a number. */
function bigOf(value) {
  if (value instanceof Int64) return value.toBuffer().readBigInt64BE();
  return BigInt(value);
}

function special(value) {
  return Object.is(value, -0) ? "-0" : String(value);
}

function byText(one, other) {
  const [left, right] = [JSON.stringify(one), JSON.stringify(other)];
  return left < right ? -1 : left > right ? 1 : 0;
}

module.exports = { Values };
