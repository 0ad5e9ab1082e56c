import assert from "node:assert/strict";
import { makeCertificates } from "../../tests/make_certificates.ts";
import { provision } from "../../tests/provision.ts";
import { run } from "../../mod.ts";
import type { Plan } from "../manifest/plan.ts";
import { CertificateWatch } from "./certificate_watch.ts";

function planWith(tls: Record<string, string | null> | null, upstream: typeof tls = null): Plan {
  return { listeners: { api: { tls } }, upstreams: { users: { tls: upstream } } } as unknown as Plan;
}

Deno.test("CertificateWatch.changed() tells a change once, when it has come to rest", async () => {
  const folder = await Deno.makeTempDir();
  const cert = `${folder}/cert.pem`;
  const key = `${folder}/key.pem`;
  for (const path of [cert, key]) await Deno.writeTextFile(path, "one");
  const watch = new CertificateWatch();
  watch.watch(planWith({ cert, key, clientCa: null }));
  assert.equal(watch.changed(), false);
  await Deno.writeTextFile(cert, "two, longer");
  assert.equal(watch.changed(), false, "it may still be written");
  assert.equal(watch.changed(), true);
  assert.equal(watch.changed(), false);
  await Deno.remove(folder, { recursive: true });
});

Deno.test("CertificateWatch.changed() looks at what upstreams name, too", async () => {
  const folder = await Deno.makeTempDir();
  const ca = `${folder}/ca.pem`;
  await Deno.writeTextFile(ca, "one");
  const watch = new CertificateWatch();
  watch.watch(planWith(null, { ca, cert: null, key: null, serverName: "users.test" }));
  await Deno.writeTextFile(ca, "two, longer");
  assert.deepEqual([watch.changed(), watch.changed(), watch.changed()], [false, true, false]);
  await Deno.remove(folder, { recursive: true });
});

Deno.test("CertificateWatch.changed() is never true where no listener has TLS", () => {
  const watch = new CertificateWatch();
  watch.watch(planWith(null));
  assert.equal(watch.changed(), false);
});

async function serial(port: number): Promise<string> {
  const conn = await new Deno.Command("openssl", {
    args: ["s_client", "-connect", `127.0.0.1:${port}`, "-servername", "localhost"],
    stdin: "null",
    stderr: "null",
  }).output();
  return new TextDecoder().decode(conn.stdout).split("END CERTIFICATE")[0]!;
}

Deno.test("a changed certificate is served without a failed request; a bad pair is refused and the old one stays", async () => {
  const folder = await makeCertificates(["localhost", "renewed"]);
  const copy = (from: string) =>
    Promise.all(
      ["pem", "key"].map((end) => Deno.copyFile(`${folder}/${from}.${end}`, `${folder}/used.${end}`)),
    );
  await copy("localhost");
  await Deno.writeTextFile(`${folder}/handler.ts`, 'export default () => new Response("ok");');
  await using service = await run({
    service: "certificates",
    workers: { count: 1 },
    meta: false,
    logs: { level: "error" },
    listeners: {
      api: {
        protocol: "http",
        listen: "127.0.0.1:0",
        handler: `${folder}/handler.ts`,
        tls: { cert: `${folder}/used.pem`, key: `${folder}/used.key` },
      },
    },
  });
  await service.ready;
  const port = Number(service.addresses.api![0]!.split(":").pop());
  const client = Deno.createHttpClient({ caCerts: [await Deno.readTextFile(`${folder}/ca.pem`)] });
  const ask = async () => await (await fetch(`https://localhost:${port}/`, { client })).text();
  const before = await serial(port);
  let asked = 0;
  const until = async (done: () => Promise<boolean>, limitMs: number) => {
    for (const end = performance.now() + limitMs; performance.now() < end;) {
      assert.equal(await ask(), "ok");
      asked++;
      if (await done()) return true;
    }
    return false;
  };
  await Deno.copyFile(`${folder}/renewed.pem`, `${folder}/used.pem`);
  assert.ok(await until(async () => (await service.status()).lastReload?.ok === false, 20_000), "no refusal");
  assert.equal(await serial(port), before);
  await copy("renewed");
  assert.ok(await until(async () => await serial(port) !== before, 20_000), "never renewed");
  assert.ok(asked > 10);
  client.close();
  await Deno.remove(folder, { recursive: true });
});

Deno.test("a renewed client certificate is shown to upstreams without a failed call; a bad pair is refused", async () => {
  await using server = await provision("nginxTls", { range: { from: 29_300, to: 29_400 } });
  const tls = `${server.folder}/tls`;
  const copy = (from: string, ends = ["pem", "key"]) =>
    Promise.all(ends.map((end) => Deno.copyFile(`${tls}/${from}.${end}`, `${tls}/used.${end}`)));
  await copy("client");
  await using service = await run({
    service: "renewal",
    workers: { count: 1, drain: "2s" },
    meta: false,
    logs: { level: "error" },
    listeners: { api: { protocol: "http", listen: "127.0.0.1:0", routes: [{ upstream: "users" }] } },
    upstreams: {
      users: {
        protocol: "http",
        discover: { static: [`127.0.0.1:${server.ports[1]}`] },
        tls: {
          ca: `${tls}/ca.pem`,
          cert: `${tls}/used.pem`,
          key: `${tls}/used.key`,
          serverName: "localhost",
        },
      },
    },
  });
  await service.ready;
  const url = `http://${service.addresses.api![0]}/`;
  const ask = async () => (await (await fetch(url)).text()).split(",").slice(0, 2).join();
  const until = async (done: () => Promise<boolean>, expected: RegExp) => {
    for (const end = performance.now() + 20_000; performance.now() < end;) {
      assert.match(await ask(), expected);
      if (await done()) return true;
    }
    return false;
  };
  assert.equal(await ask(), "localhost,CN=client");
  // The key comes later than it should.
  await copy("second", ["pem"]);
  const refused = async () => (await service.status()).lastReload?.ok === false;
  assert.ok(await until(refused, /^localhost,CN=client$/), "no refusal");
  await copy("second");
  const renewed = async () => await ask() === "localhost,CN=second";
  assert.ok(await until(renewed, /^localhost,CN=(client|second)$/), "not renewed");
});
