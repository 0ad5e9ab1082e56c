import assert from "node:assert/strict";
import { makeCertificates } from "../../tests/make_certificates.ts";
import { tlsMaterial } from "./dial_tls.ts";

const folder = await makeCertificates(["one", "two"]);
const path = (name: string) => `${folder}/${name}`;
const text = (name: string) => Deno.readTextFileSync(path(name));
globalThis.addEventListener("unload", () => Deno.removeSync(folder, { recursive: true }));

function material(names: { ca?: string; cert?: string; key?: string; serverName?: string }) {
  const of = (name: string | undefined) => name === undefined ? null : path(name);
  const { ca, cert, key, serverName = null } = names;
  return tlsMaterial({ tls: { ca: of(ca), cert: of(cert), key: of(key), serverName } });
}

Deno.test("tlsMaterial() reads what is named", () => {
  assert.equal(tlsMaterial({ tls: null }), undefined);
  const nothing = { ca: undefined, cert: undefined, key: undefined, serverName: undefined };
  assert.deepEqual(material({}), nothing);
  assert.deepEqual(material({ ca: "ca.pem", cert: "one.pem", key: "one.key", serverName: "a.test" }), {
    ca: text("ca.pem"),
    cert: text("one.pem"),
    key: text("one.key"),
    serverName: "a.test",
  });
  Deno.writeTextFileSync(path("both.pem"), text("one.pem") + text("one.key"));
  assert.equal(material({ cert: "both.pem" })!.key, text("both.pem"));
});

Deno.test("tlsMaterial() throws where files do not hold what they should, or do not belong together", () => {
  Deno.writeTextFileSync(path("empty.pem"), "");
  assert.throws(() => material({ ca: "none.pem" }), Deno.errors.NotFound);
  assert.throws(() => material({ ca: "empty.pem" }), /empty\.pem: there is no certificate in it/);
  assert.throws(() => material({ ca: "one.key" }), /one\.key: there is no certificate in it/);
  assert.throws(() => material({ cert: "empty.pem", key: "one.key" }), /there is no certificate/);
  assert.throws(() => material({ cert: "one.pem", key: "empty.pem" }), /empty\.pem: there is no private key/);
  assert.throws(() => material({ cert: "one.pem" }), /one\.pem: there is no private key/);
  assert.throws(
    () => material({ cert: "one.pem", key: "two.key" }),
    /two\.key is the key of another certificate/,
  );
});
