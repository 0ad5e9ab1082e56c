import assert from "node:assert/strict";
import { negotiate } from "./negotiate.ts";

Deno.test("negotiate() gives a browser HTML, a script JSON and everybody else text", () => {
  const browser = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8";
  const prometheus =
    "application/openmetrics-text;version=1.0.0;q=0.6,text/plain;version=0.0.4;q=0.5,*/*;q=0.1";
  assert.equal(negotiate(null, browser), "html");
  assert.equal(negotiate(null, "application/json"), "json");
  assert.equal(negotiate(null, "text/html;q=0.5, application/json"), "json");
  assert.equal(negotiate(null, prometheus), "text");
  for (const accept of [null, "", "*/*", "image/png", ";;;", "text/html;q=0"]) {
    assert.equal(negotiate(null, accept), "text");
  }
});

Deno.test("negotiate() follows ?format= before Accept, and refuses an unknown one", () => {
  assert.equal(negotiate("text", "text/html"), "text");
  assert.equal(negotiate("json", null), "json");
  assert.equal(negotiate("xml", null), null);
});
