import assert from "node:assert/strict";
import { Refusal } from "../../core/errors.ts";
import { type Reason, reasonCodes, reasons } from "../../core/reasons.ts";
import { farewell, reasonHeader, refusalResponse } from "./refusal_response.ts";
import { MethodRefusal } from "./routes.ts";

for (const reason of reasonCodes.filter((code) => code !== "ok")) {
  Deno.test(`refusalResponse() of ${reason} carries its status, reason and text`, async () => {
    const response = refusalResponse(new Refusal(reason), false);
    const { status, text } = reasons[reason];
    assert.equal(response.status, status === 0 ? 503 : status);
    assert.equal(response.headers.get(reasonHeader), reason);
    assert.equal(response.headers.get("connection"), null);
    assert.equal(await response.text(), `${text}\n`);
    assert.equal(response.headers.has("retry-after"), [429, 503].includes(status));
  });
}

for (const [ms, seconds] of [[0, "1"], [1, "1"], [1000, "1"], [1001, "2"], [90_000, "90"]] as const) {
  Deno.test(`refusalResponse() says Retry-After: ${seconds} for ${ms} ms`, () => {
    const response = refusalResponse(new Refusal("queue_full", ms), true);
    assert.equal(response.headers.get("retry-after"), seconds);
    assert.equal(response.headers.get("connection"), "close");
  });
}

Deno.test("refusalResponse() of a wrong method says which there are", () => {
  assert.equal(refusalResponse(new MethodRefusal(["GET", "PUT"]), false).headers.get("allow"), "GET, PUT");
});

Deno.test("farewell() is a complete HTTP/1.1 answer with the reason", () => {
  for (const reason of ["connections_full", "address_full"] as Reason[]) {
    const [head, body] = new TextDecoder().decode(farewell(reason)).split("\r\n\r\n");
    assert.match(head!, /^HTTP\/1\.1 503 /);
    assert.match(head!, new RegExp(`\r\n${reasonHeader}: ${reason}\r\n`));
    assert.match(head!, new RegExp(`content-length: ${body!.length}$`));
  }
});
