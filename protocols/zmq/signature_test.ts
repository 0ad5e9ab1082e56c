import assert from "node:assert/strict";
import fc from "fast-check";
import { ReplayWindow } from "./replay_window.ts";
import { Signer } from "./signature.ts";

const nothing = new Uint8Array(0);
const part = fc.uint8Array({ maxLength: 40 });

function signer(secret = "secret", at = 1e12): Signer {
  return new Signer(secret, 1000, new ReplayWindow(1000, 1e6), () => at);
}

Deno.test("Signer.verify() takes what sign() made, whatever the parts, and nothing that was changed", () => {
  fc.assert(
    fc.property(part, fc.array(part, { minLength: 1, maxLength: 4 }), fc.nat(), (topic, body, where) => {
      const signature = signer().sign(topic, body);
      assert.equal(signer().verify(signature, topic, body), "good");
      const changed = signature.slice();
      changed[1 + where % (changed.length - 1)]! ^= 1;
      assert.notEqual(signer().verify(changed, topic, body), "good");
      assert.equal(signer().verify(signature, topic, [...body, nothing]), "wrong");
      assert.equal(signer().verify(signature, new Uint8Array([...topic, 1]), body), "wrong");
      assert.equal(signer("other").verify(signature, topic, body), "wrong");
    }),
  );
});

Deno.test("Signer.verify() takes a message within the window only, and only once", () => {
  const signature = signer("secret", 1e12).sign(nothing, [nothing]);
  assert.equal(signer("secret", 1e12 + 1000).verify(signature, nothing, [nothing]), "good");
  assert.equal(signer("secret", 1e12 + 1001).verify(signature, nothing, [nothing]), "tooOld");
  assert.equal(signer("secret", 1e12 - 1001).verify(signature, nothing, [nothing]), "tooOld");
  const one = signer();
  assert.equal(one.verify(signature, nothing, [nothing]), "good");
  assert.equal(one.verify(signature, nothing, [nothing]), "replayed");
});

Deno.test("Signer.verify() takes a reply for its own request alone", () => {
  const [request, other] = [signer().sign(nothing, [nothing]), signer().sign(nothing, [nothing])];
  const reply = signer().sign(nothing, [nothing], request);
  assert.equal(signer().verify(reply, nothing, [nothing], request), "good");
  assert.equal(signer().verify(reply, nothing, [nothing], other), "wrong");
  assert.equal(signer().verify(reply, nothing, [nothing]), "wrong");
});
