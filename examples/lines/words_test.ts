import assert from "node:assert/strict";
import answer, { mostWords } from "./words.ts";

const ask = (line: string) => new TextDecoder().decode(answer(new TextEncoder().encode(line)));

Deno.test("answer() keeps, tells, counts and forgets words", () => {
  assert.equal(ask("GET colour"), "NONE");
  assert.equal(ask("SET colour deep blue"), "OK");
  assert.equal(ask("get colour\r"), "deep blue");
  assert.equal(ask("COUNT"), "1");
  assert.equal(ask("DELETE colour"), "OK");
  assert.equal(ask("DELETE colour"), "NONE");
});

Deno.test("answer() says what is wrong when it does not understand", () => {
  assert.equal(ask("SET colour"), "ERR usage: SET word text");
  assert.equal(ask("PUT colour blue"), "ERR commands: SET, GET, DELETE, COUNT");
  assert.equal(ask(""), "ERR commands: SET, GET, DELETE, COUNT");
});

Deno.test("answer() takes no more words than its bound", () => {
  for (let word = 0; word < mostWords; word++) ask(`SET w${word} x`);
  assert.equal(ask("SET more x"), "ERR full");
  assert.equal(ask("SET w1 y"), "OK");
  for (let word = 0; word < mostWords; word++) ask(`DELETE w${word}`);
  assert.equal(ask("COUNT"), "0");
});
