import assert from "node:assert/strict";
import { hex } from "../testdata/test_host.ts";
import { MessageScanner } from "./message_scanner.ts";
import { WireError } from "./wire_error.ts";

const head = "80010001 00000001 6d 00000001";

function scan(body: string): number {
  const bytes = hex(head + body);
  const scanner = new MessageScanner(false);
  scanner.begin(false);
  return scanner.scan(bytes, 0, bytes.length);
}

Deno.test("MessageScanner.scan() refuses elements of types that do not exist before it counts them", () => {
  const wrong = [
    // A map of two milliards of lists, the first of which holds what nobody knows.
    "0d 0001 08 0f 7fffffff 00000001 22 00000002",
    "0f 0001 0f 7fffffff 11 00000002",
    "0f 0001 ff 00000001 00",
    "0e 0001 05 00000001 00",
    "0d 0001 00 08 00000001 00000001",
    "0d 0001 08 00 00000001 00000001",
    "0d 0001 40 0b 7fffffff 00000001",
    "0d 0001 0b 40 7fffffff 00000001",
  ];
  for (const body of wrong) {
    assert.throws(() => scan(`${body} 00`), (error) => {
      assert.ok(error instanceof WireError, String(error));
      assert.match(error.message, /^there is no type [0-9]+$/);
      return true;
    }, body);
  }
});

Deno.test("MessageScanner.scan() passes over empty containers of any type", () => {
  for (const body of ["0f 0001 22 00000000 00", "0d 0001 22 00 00000000 00"]) {
    assert.equal(scan(body), hex(head + body).length);
  }
});
