/** The proxy between a client and an upstream that are both spoken for byte by byte; over native and over node sockets. */
import assert from "node:assert/strict";
import { makeCertificates } from "../../../tests/make_certificates.ts";
import { type ProxyKeys, serveProxy } from "./testdata/serve_proxy.ts";
import { connect, eventually, rawUpstream, standstill, type Wire } from "./testdata/wire.ts";

const get = "GET /a HTTP/1.1\r\nhost: h.example\r\n\r\n";
const ok = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
const megabyte = 1024 * 1024;
const kinds: Array<[kind: string, keys: ProxyKeys]> = [
  ["native", {}],
  ["node", { listener: { accept: { mode: "handOff" } } }],
];

/** Answers every request without a body with `bytes`. */
const answering = (bytes: string) =>
  rawUpstream(async (wire) => {
    for (;;) {
      await wire.until("\r\n\r\n");
      await wire.send(bytes);
    }
  });

/** What a client gets for `bytes`, to the end of the connection, which it asks for. */
async function exchange(port: number, bytes: string): Promise<string> {
  using client = await connect(port);
  await client.send(bytes.replace("\r\n", "\r\nconnection: close\r\n"));
  return await client.rest();
}

/** Head and body of the first answer. */
function parted(answer: string): { head: string; body: string } {
  const end = answer.indexOf("\r\n\r\n");
  return { head: answer.slice(0, end + 2).toLowerCase(), body: answer.slice(end + 4) };
}

for (const [kind, keys] of kinds) {
  Deno.test(`the proxy (${kind}) keeps connections on both sides`, async () => {
    await using upstream = answering(ok);
    await using proxy = await serveProxy([upstream.address], keys);
    using client = await connect(proxy.port);
    for (let i = 0; i < 5; i++) {
      await client.send(get);
      await client.until("ok");
    }
    assert.equal(upstream.wires.length, 1);
  });

  Deno.test(`the proxy (${kind}) sends what came, and its own fields last`, async () => {
    let head = "";
    await using upstream = rawUpstream(async (wire) => {
      head = await wire.until("\r\n\r\n");
      await wire.send(ok);
    });
    await using proxy = await serveProxy([upstream.address], {
      route: { match: { path: "/users/*" }, rewrite: { stripPrefix: "/users" } },
      ...keys,
    });
    const answer = await exchange(
      proxy.port,
      "GET /users/%41?q=%20 HTTP/1.1\r\nHost: h.example\r\nX-Latin: caf\xe9\r\nX-Forwarded-For: 6.6.6.6\r\nKeep-Alive: 9\r\n" +
        "X-Request-Id: mine\r\n\r\n",
    );
    assert.match(answer, /^HTTP\/1.1 200 /);
    assert.equal(
      head.replace(/x-deadline-ms: \d+\r\n/, ""),
      "GET /%41?q=%20 HTTP/1.1\r\nhost: h.example\r\nx-latin: caf\xe9\r\n" +
        "x-forwarded-for: 127.0.0.1\r\nx-forwarded-proto: http\r\nx-forwarded-host: h.example\r\n" +
        "forwarded: for=127.0.0.1;host=h.example;proto=http\r\nx-request-id: mine\r\n" +
        "x-rpc-id: 1.1\r\n\r\n",
    );
  });

  Deno.test(`the proxy (${kind}) passes an answer on as it came`, async () => {
    await using upstream = answering(
      "HTTP/1.1 200 OK\r\nserver: theirs\r\ndate: Sat, 01 Jan 2000 00:00:00 GMT\r\nset-cookie: a=1\r\nset-cookie: b=2\r\n" +
        "content-encoding: gzip\r\ncontent-type: text/html\r\nx-latin: caf\xe9\r\nconnection: keep-alive, x-hop\r\nx-hop: 1\r\n" +
        "transfer-encoding: chunked\r\n\r\n5\r\nabcde\r\n0\r\nx-trailer: 1\r\n\r\n",
    );
    await using proxy = await serveProxy([upstream.address], keys);
    const { head, body } = parted(
      await exchange(proxy.port, "GET / HTTP/1.1\r\nhost: h\r\naccept-encoding: gzip, br\r\n\r\n"),
    );
    assert.match(body, /abcde/);
    assert.doesNotMatch(head, /x-hop|trailer/);
    for (
      const line of [
        ...["server: theirs", "date: sat, 01 jan 2000 00:00:00 gmt", "set-cookie: a=1", "set-cookie: b=2"],
        ...["content-encoding: gzip", "content-type: text/html", "x-latin: caf\xe9"],
      ]
    ) assert.equal(head.split(`\r\n${line}\r\n`).length, 2, `once ${line} in ${head}`);
  });

  for (
    const [name, reply, head, body] of [
      ["599", "HTTP/1.1 599 Odd\r\ncontent-length: 1\r\n\r\nx", /^http\/1.1 599/, "x"],
      ["204", "HTTP/1.1 204 No Content\r\n\r\n", /^http\/1.1 204/, ""],
      [
        "304",
        'HTTP/1.1 304 Not Modified\r\netag: "a"\r\n\r\n',
        /^http\/1.1 304.*\r\n(?:.*\r\n)*etag: "a"/,
        "",
      ],
      ["an empty body", "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", /content-length: 0/, ""],
      ["500", "HTTP/1.1 500 Oh\r\ncontent-length: 5\r\n\r\ntheir", /^http\/1.1 500/, "their"],
      ["an early hint before", "HTTP/1.1 103 Hint\r\nlink: x\r\n\r\n" + ok, /^http\/1.1 200/, "ok"],
    ] as const
  ) {
    Deno.test(`the proxy (${kind}) passes ${name} on`, async () => {
      await using upstream = answering(reply);
      await using proxy = await serveProxy([upstream.address], keys);
      const answer = parted(await exchange(proxy.port, get));
      assert.match(answer.head, head);
      assert.equal(answer.body, body);
      assert.doesNotMatch(answer.head, /x-weir-reason/);
    });
  }

  Deno.test(`the proxy (${kind}) answers HEAD with the length that GET has, or none`, async () => {
    const lengths: string[] = [];
    for (const reply of ["content-length: 1234", "transfer-encoding: chunked"]) {
      await using upstream = answering(`HTTP/1.1 200 OK\r\n${reply}\r\n\r\n`);
      await using proxy = await serveProxy([upstream.address], keys);
      const { head, body } = parted(await exchange(proxy.port, get.replace("GET", "HEAD")));
      assert.equal(body, "");
      lengths.push(/content-length: (\d+)/.exec(head)?.[1] ?? "none");
    }
    assert.deepEqual(lengths, ["1234", "none"]);
  });

  for (
    const [name, bytes, reason] of [
      ["garbage", "what?\r\n\r\n", "502 upstream_protocol"],
      [
        "two lengths",
        "HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab",
        "502 upstream_protocol",
      ],
      [
        "a control character",
        "HTTP/1.1 200 OK\r\nx-a: a\x01b\r\ncontent-length: 0\r\n\r\n",
        "502 upstream_protocol",
      ],
      ["DEL", "HTTP/1.1 200 OK\r\nx-a: a\x7fb\r\ncontent-length: 0\r\n\r\n", "502 upstream_protocol"],
      ["a status beyond all", "HTTP/1.1 700 Oh\r\ncontent-length: 0\r\n\r\n", "502 upstream_protocol"],
      ["a switch nobody asked for", "HTTP/1.1 101 Switch\r\nupgrade: x\r\n\r\n", "502 upstream_protocol"],
      ["half a head", "HTTP/1.1 200 OK\r\nx-a:", "502 upstream_reset"],
      ["nothing", "", "502 upstream_reset"],
    ] as const
  ) {
    Deno.test(`the proxy (${kind}) answers ${reason} to an upstream that sends ${name}`, async () => {
      await using upstream = rawUpstream(async (wire) => {
        await wire.until("\r\n\r\n");
        await wire.send(bytes);
      });
      await using proxy = await serveProxy([upstream.address], { upstream: { pool: { warm: 0 } }, ...keys });
      const { head } = parted(await exchange(proxy.port, get));
      assert.equal(`${head.slice(9, 12)} ${/x-weir-reason: (\w+)/.exec(head)?.[1]}`, reason);
    });
  }

  Deno.test(`the proxy (${kind}) answers 504 to an upstream that is silent, 503 to one that is not there`, async () => {
    await using upstream = rawUpstream(async (wire) => void await wire.rest());
    const timeouts = { connect: "200ms", attempt: "200ms", total: "200ms" };
    for (
      const [endpoint, wanted] of [[upstream.address, "504 upstream_timeout"], [
        "127.0.0.1:1",
        "503 upstream_connect",
      ]]
    ) {
      await using proxy = await serveProxy([endpoint!], { upstream: { timeouts }, ...keys });
      const { head } = parted(await exchange(proxy.port, get));
      assert.equal(`${head.slice(9, 12)} ${/x-weir-reason: (\w+)/.exec(head)?.[1]}`, wanted);
    }
  });

  for (
    const [framing, head, piece, whole] of [
      ["a length", "content-length: 100000", "x".repeat(50_000), /x{100000}/],
      ["chunks", "transfer-encoding: chunked", `c350\r\n${"x".repeat(50_000)}\r\n`, /\r\n0\r\n\r\n$/],
    ] as const
  ) {
    Deno.test(`the proxy (${kind}) does not make a broken answer with ${framing} look whole`, async () => {
      await using upstream = rawUpstream(async (wire) => {
        await wire.until("\r\n\r\n");
        await wire.send(`HTTP/1.1 200 OK\r\n${head}\r\n\r\n${piece}`);
      });
      await using proxy = await serveProxy([upstream.address], keys);
      using client = await connect(proxy.port);
      await client.send(get);
      const answer = await client.rest();
      assert.doesNotMatch(answer, whole);
      // node throws away what was not written when the connection is cut.
      if (kind === "native") assert.match(answer, /^HTTP\/1.1 200/);
    });
  }

  Deno.test(`the proxy (${kind}) cuts an answer that does not go on`, async () => {
    await using upstream = rawUpstream(async (wire) => {
      await wire.until("\r\n\r\n");
      await wire.send(`HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n${"x".repeat(50_000)}`);
      await wire.rest();
    });
    await using proxy = await serveProxy([upstream.address], {
      upstream: { timeouts: { body: "300ms" } },
      ...keys,
    });
    using client = await connect(proxy.port);
    const begin = performance.now();
    await client.send(get);
    const answer = await client.rest();
    const ms = performance.now() - begin;
    assert.ok(ms > 290 && ms < 3000, `after ${ms} ms`);
    assert.ok(answer.length < 60_000);
  });

  Deno.test(`the proxy (${kind}) lets go of the upstream when the client leaves in the middle of a body`, async () => {
    let left = false;
    await using upstream = rawUpstream(async (wire) => {
      await wire.until("\r\n\r\n");
      await wire.send("HTTP/1.1 200 OK\r\ncontent-length: 100000000\r\n\r\n");
      const sending = (async () => {
        for (;;) await wire.send(new Uint8Array(65536));
      })().catch(() => {});
      await wire.rest();
      left = true;
      await sending;
    });
    await using proxy = await serveProxy([upstream.address], keys);
    const client = await connect(proxy.port);
    await client.send(get);
    await client.bytes(1000);
    client.close();
    await eventually(() => left, "the upstream's connection ends");
  });

  Deno.test(`the proxy (${kind}) lets go of the upstream when the client leaves before the answer`, async () => {
    let asked = false, left = false;
    await using upstream = rawUpstream(async (wire) => {
      await wire.until("\r\n\r\n");
      asked = true;
      await wire.rest();
      left = true;
    });
    await using proxy = await serveProxy([upstream.address], {
      upstream: { timeouts: { attempt: "60s", total: "60s" } },
      ...keys,
      listener: { deadline: "60s", ...keys.listener },
    });
    const client = await connect(proxy.port);
    await client.send(get);
    await eventually(() => asked, "the upstream is asked");
    client.close();
    await eventually(() => left, "the upstream's connection ends");
  });

  Deno.test(`the proxy (${kind}) takes no more of a long answer than the client reads`, async () => {
    const total = 64 * megabyte;
    let sent = 0;
    await using upstream = rawUpstream(async (wire) => {
      await wire.until("\r\n\r\n");
      await wire.send(`HTTP/1.1 200 OK\r\ncontent-length: ${total}\r\n\r\n`);
      for (const piece = new Uint8Array(65536).fill(120); sent < total; sent += piece.length) {
        await wire.send(piece);
      }
      await wire.rest();
    });
    await using proxy = await serveProxy([upstream.address], keys);
    using client = await connect(proxy.port);
    await client.send(get);
    await client.until("\r\n\r\n");
    const held = await standstill(() => sent);
    assert.ok(held < total / 2, `${held} bytes were taken`);
    let received = client.take(client.held.length).length;
    const buffer = new Uint8Array(megabyte);
    while (received < total) {
      received += await client.conn.read(buffer) ?? assert.fail(`ended after ${received}`);
    }
    assert.equal(received, total);
  });

  Deno.test(`the proxy (${kind}) takes no more of a long request than the upstream reads`, async () => {
    const total = 64 * megabyte;
    let goOn!: () => void;
    const wait = new Promise<void>((resolve) => goOn = resolve);
    let received = 0;
    await using upstream = rawUpstream(async (wire) => {
      await wire.until("\r\n\r\n");
      await wait;
      received = wire.held.length;
      const buffer = new Uint8Array(megabyte);
      while (received < total) {
        received += await wire.conn.read(buffer) ?? assert.fail(`ended after ${received}`);
      }
      await wire.send(ok);
    });
    await using proxy = await serveProxy([upstream.address], {
      upstream: { timeouts: { attempt: "60s", total: "60s" } },
      ...keys,
      listener: { limits: { body: "64MiB" }, deadline: "60s", ...keys.listener },
    });
    using client = await connect(proxy.port);
    await client.send(`POST / HTTP/1.1\r\nhost: h\r\ncontent-length: ${total}\r\n\r\n`);
    let sent = 0;
    const sending = (async () => {
      for (const piece = new Uint8Array(65536); sent < total; sent += piece.length) await client.send(piece);
    })();
    const held = await standstill(() => sent);
    assert.ok(held < total / 2, `${held} bytes were taken`);
    goOn();
    await sending;
    await client.until("\r\n\r\nok");
    assert.equal(received, total);
  });

  Deno.test(`the proxy (${kind}) passes a chunked request on as one, up to the listener's limit`, async () => {
    const bodies: string[] = [];
    await using upstream = rawUpstream(async (wire) => {
      for (;;) {
        assert.match(await wire.until("\r\n\r\n"), /\r\ntransfer-encoding: chunked\r\n/);
        bodies.push(await wire.until("0\r\n\r\n"));
        await wire.send(ok);
      }
    });
    await using proxy = await serveProxy([upstream.address], {
      ...keys,
      listener: { limits: { body: "100B" }, ...keys.listener },
    });
    const head = "POST / HTTP/1.1\r\nhost: h\r\ntransfer-encoding: chunked\r\n\r\n";
    assert.match(await exchange(proxy.port, `${head}5\r\nvwxyz\r\n3\r\nrst\r\n0\r\n\r\n`), /^HTTP\/1.1 200/);
    assert.equal(bodies.join("").replace(/\r\n|[0-9a-f]+(?=\r\n)/g, ""), "vwxyzrst");
    const { head: refused } = parted(
      await exchange(proxy.port, `${head}c8\r\n${"x".repeat(200)}\r\n0\r\n\r\n`),
    );
    assert.match(refused, /^http\/1.1 413/);
    assert.equal(bodies.length, 1, "what was too long never became a request");
  });

  Deno.test(`the proxy (${kind}) gives leave to send a body, and asks the upstream for it where that is long`, async () => {
    let head = "";
    await using upstream = rawUpstream(async (wire) => {
      for (let i = 0; i < 2; i++) {
        head = await wire.until("\r\n\r\n");
        if (head.includes("expect")) await wire.send("HTTP/1.1 100 Continue\r\n\r\n");
        await wire.bytes(Number(/content-length: (\d+)/.exec(head)![1]));
        await wire.send(ok);
      }
    });
    await using proxy = await serveProxy([upstream.address], keys);
    using client = await connect(proxy.port);
    for (const [length, asked] of [[10, false], [100_000, true]] as const) {
      await client.send(
        `PUT / HTTP/1.1\r\nhost: h\r\nexpect: 100-continue\r\ncontent-length: ${length}\r\n\r\n`,
      );
      await client.until("HTTP/1.1 100 Continue\r\n\r\n");
      await client.send("x".repeat(length));
      await client.until("\r\n\r\nok");
      assert.equal(head.includes("expect: 100-continue"), asked, head);
    }
  });
}

Deno.test("the proxy passes an early refusal of a long body on", async () => {
  await using upstream = rawUpstream(async (wire) => {
    await wire.until("\r\n\r\n");
    await wire.send("HTTP/1.1 413 Too Large\r\ncontent-length: 3\r\nconnection: close\r\n\r\nno!");
  });
  await using proxy = await serveProxy([upstream.address], { listener: { limits: { body: "64MiB" } } });
  using client: Wire = await connect(proxy.port);
  await client.send(`POST / HTTP/1.1\r\nhost: h\r\ncontent-length: ${20 * megabyte}\r\n\r\n`);
  const sending = (async () => {
    for (let i = 0; i < 320; i++) await client.send(new Uint8Array(65536));
  })().catch(() => {});
  assert.match(await client.until("no!"), /^HTTP\/1.1 413/);
  client.close();
  await sending;
});

Deno.test("the proxy passes bodies of HTTP/2 on, declared or not", async () => {
  const seen: string[] = [];
  await using upstream = rawUpstream(async (wire) => {
    for (;;) {
      const head = await wire.until("\r\n\r\n");
      const length = /\r\ncontent-length: (\d+)/.exec(head)?.[1];
      const chunked = head.includes("\r\ntransfer-encoding: chunked\r\n");
      const body = chunked ? await wire.until("0\r\n\r\n") : await wire.bytes(Number(length ?? 0));
      seen.push(`${head.split(" ")[0]} ${length ?? (chunked ? "chunked" : "none")} ${body.trim()}`);
      await wire.send(ok);
    }
  });
  const folder = await makeCertificates(["localhost"]);
  const tls = { cert: `${folder}/localhost.pem`, key: `${folder}/localhost.key` };
  await using proxy = await serveProxy([upstream.address], {
    listener: { tls },
    upstream: { pool: { connections: 1 } },
  });
  const caCerts = [await Deno.readTextFile(`${folder}/ca.pem`)];
  using client = Deno.createHttpClient({ caCerts, http1: false, http2: true });
  const ask = async (method: string, body: BodyInit | null) => {
    const init = { method, body, client } as RequestInit;
    assert.equal(await (await fetch(`https://localhost:${proxy.port}/`, init)).text(), "ok");
  };
  await ask("GET", null);
  await ask("DELETE", null);
  await ask("PUT", "uvw");
  await ask("PUT", new Blob(["xyz"]).stream());
  assert.deepEqual(seen, ["GET none ", "DELETE none ", "PUT 3 uvw", "PUT chunked 3\r\nxyz\r\n0"]);
  await Deno.remove(folder, { recursive: true });
});
