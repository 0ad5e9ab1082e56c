import assert from "node:assert/strict";
import { systemClock } from "../../../core/clock.ts";
import { validTraceparent } from "../../../core/trace_context.ts";
import type { UpstreamPlan } from "../../../core/manifest/plan.ts";
import type { HandleContext } from "../../../core/upstream/contract.ts";
import { provision } from "../../../tests/provision.ts";
import { httpUpstream } from "./mod.ts";
import { contextOf, DirectCaller } from "./testdata/direct_caller.ts";
import { planOf } from "./testdata/session_host.ts";

interface Setup {
  caller: DirectCaller;
  upstream: ReturnType<typeof httpUpstream.handle>;
}

/** An upstream whose endpoint is a server of this process. */
async function withServer(
  serve: (request: Request) => Response | Promise<Response>,
  test: (setup: Setup) => Promise<void>,
  context: Partial<HandleContext> = {},
): Promise<void> {
  const server = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen() {} }, serve);
  const caller = new DirectCaller(`127.0.0.1:${server.addr.port}`, planOf());
  try {
    await test({ caller, upstream: httpUpstream.handle(caller, contextOf(context)) });
  } finally {
    caller.close();
    await server.shutdown();
  }
}

/** Answers with what it was asked. */
async function mirror(request: Request): Promise<Response> {
  const { pathname, search } = new URL(request.url);
  return Response.json({
    method: request.method,
    path: pathname + search,
    fields: Object.fromEntries(request.headers),
    body: await request.text(),
  });
}

Deno.test("fetch() sends path, query and fields, and what the upstream should know of the request", async () => {
  await withServer(mirror, async ({ upstream, caller }) => {
    const response = await upstream.fetch("/users/7?full=1", { headers: { Accept: "text/x", "X-B": "2" } });
    assert.equal(response.status, 200);
    const { method, path, fields } = await response.json();
    assert.deepEqual([method, path], ["GET", "/users/7?full=1"]);
    const { "x-deadline-ms": left, traceparent, ...others } = fields;
    assert.deepEqual(others, {
      host: caller.address,
      accept: "text/x",
      "x-b": "2",
      "x-request-id": "id-1",
      "x-rpc-id": "1.1",
    });
    assert.equal(validTraceparent(traceparent), traceparent);
    assert.equal(left, "3000");
    assert.deepEqual(caller.options[0], { method: "GET", idempotent: true });
  });
});

Deno.test("fetch() tells how long the answer is waited for: the least of all limits", async () => {
  const deadlineAt = systemClock.now() + 1000;
  await withServer(mirror, async ({ upstream }) => {
    const leftOf = async (init?: { timeoutMs?: number; headers?: Record<string, string> }) =>
      Number((await (await upstream.fetch("/", init)).json()).fields["x-deadline-ms"]);
    const left = await leftOf();
    assert.ok(left > 0 && left <= 1000, `${left}`);
    assert.equal(await leftOf({ timeoutMs: 50 }), 50);
    assert.equal(await leftOf({ headers: { "x-deadline-ms": "7" } }), 7);
  }, { deadlineAt });
});

Deno.test("fetch() keeps an id that was given, and leaves out one that is no field value", async () => {
  await withServer(mirror, async ({ upstream }) => {
    const { fields } = await (await upstream.fetch("/", { headers: { "x-request-id": "mine" } })).json();
    assert.equal(fields["x-request-id"], "mine");
  });
  await withServer(mirror, async ({ upstream }) => {
    const { fields } = await (await upstream.fetch("/")).json();
    assert.equal(fields["x-request-id"], undefined);
  }, { requestId: "a\r\nx: y" });
});

Deno.test("fetch() passes on the trace and the texts that came with the request, unless it is told others", async () => {
  const trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
  await withServer(mirror, async ({ upstream }) => {
    const { fields } = await (await upstream.fetch("/")).json();
    assert.match(fields.traceparent, /^00-0af7651916cd43dd8448eb211c80319c-[0-9a-f]{16}-01$/);
    assert.notEqual(fields.traceparent, trace);
    assert.equal(fields.baggage, "tenant=seven%20of%20nine");
    const own = { traceparent: "mine", baggage: "a=1", "x-rpc-id": "7" };
    const { fields: told } = await (await upstream.fetch("/", { headers: own })).json();
    assert.deepEqual([told.traceparent, told.baggage, told["x-rpc-id"]], ["mine", "a=1", "7"]);
  }, { trace, requestMeta: { tenant: "seven of nine" } });
});

Deno.test("fetch() sends bodies of every kind", async () => {
  const form = new FormData();
  form.set("name", "value");
  const stream = () => new Response("streamed").body!;
  const cases: Array<[BodyInit, string | RegExp, string | RegExp]> = [
    ["t\u00e4xt", "t\u00e4xt", "text/plain;charset=UTF-8"],
    [new TextEncoder().encode("bytes"), "bytes", ""],
    [new TextEncoder().encode("buffer").buffer, "buffer", ""],
    [new URLSearchParams({ a: "b c" }), "a=b+c", "application/x-www-form-urlencoded;charset=UTF-8"],
    [new Blob(["blob"], { type: "text/x" }), "blob", "text/x"],
    [stream(), "streamed", ""],
    [form, /name="name"\r\n\r\nvalue\r\n/, /^multipart\/form-data; *boundary=/],
  ];
  await withServer(mirror, async ({ upstream }) => {
    for (const [body, text, type] of cases) {
      const got = await (await upstream.fetch("/", { method: "post", body })).json();
      assert.equal(got.method, "POST");
      const match = (value: string, wanted: string | RegExp) =>
        typeof wanted === "string" ? assert.equal(value, wanted) : assert.match(value, wanted);
      match(got.body, text);
      match(got.fields["content-type"] ?? "", type);
    }
    const typed = { method: "PUT", body: "{}", headers: { "content-type": "application/json" } };
    assert.equal(
      (await (await upstream.fetch("/", typed)).json()).fields["content-type"],
      "application/json",
    );
  });
});

Deno.test("fetch() takes path, fields and body of a Request that came in, but not its host or connection", async () => {
  await withServer(mirror, async ({ upstream, caller }) => {
    const came = new Request("https://public.example/a/b?c", {
      method: "PUT",
      headers: {
        host: "public.example",
        connection: "keep-alive, x-hop",
        "x-hop": "1",
        "transfer-encoding": "chunked",
        te: "trailers",
        "content-length": "4",
        "x-kept": "1",
      },
      body: new Response("body").body,
    });
    const { method, path, fields, body } = await (await upstream.fetch(came)).json();
    assert.deepEqual([method, path, body], ["PUT", "/a/b?c", "body"]);
    const { "x-deadline-ms": _, traceparent: __, ...others } = fields;
    assert.deepEqual(others, {
      host: caller.address,
      "x-kept": "1",
      "content-length": "4",
      "x-request-id": "id-1",
      "x-rpc-id": "1.1",
    });
    // A stream cannot be sent twice, whatever the method is.
    assert.equal(caller.options[0]!.idempotent, false);
  });
});

Deno.test("fetch() says idempotent by method, unless it is told", async () => {
  await withServer(() => new Response("x"), async ({ upstream, caller }) => {
    const said = async (init: Parameters<typeof upstream.fetch>[1]) => {
      await upstream.fetch("/", init);
      return caller.options.at(-1)!.idempotent;
    };
    for (const method of ["GET", "HEAD", "OPTIONS", "PUT", "DELETE"]) {
      assert.equal(await said({ method }), true, method);
    }
    for (const method of ["POST", "PATCH", "PURGE"]) assert.equal(await said({ method }), false, method);
    assert.equal(await said({ method: "POST", body: "x", idempotent: true }), true);
    assert.equal(await said({ method: "GET", idempotent: false }), false);
    assert.equal(await said({ method: "POST", body: new Response("x").body, idempotent: true }), false);
  });
});

Deno.test("fetch() hands key, role, limit and signal to the caller", async () => {
  await withServer(() => new Response("x"), async ({ upstream, caller }) => {
    const { signal } = new AbortController();
    await upstream.role("replica").fetch("/", { key: "u1", timeoutMs: 500, signal });
    assert.deepEqual(caller.options[0], {
      method: "GET",
      idempotent: true,
      role: "replica",
      key: "u1",
      timeoutMs: 500,
      signal,
    });
  });
});

Deno.test("fetch() follows no redirect, unpacks nothing and asks for nothing packed", async () => {
  const packed = await new Response(new Response("text").body!.pipeThrough(new CompressionStream("gzip")))
    .bytes();
  const serve = (request: Request) => {
    assert.equal(request.headers.get("accept-encoding"), null);
    return new URL(request.url).pathname === "/moved"
      ? new Response(null, { status: 302, headers: { location: "/elsewhere" } })
      : new Response(packed, { headers: { "content-encoding": "gzip" } });
  };
  await withServer(serve, async ({ upstream }) => {
    const moved = await upstream.fetch("/moved");
    assert.deepEqual([moved.status, moved.headers.get("location")], [302, "/elsewhere"]);
    const response = await upstream.fetch("/packed");
    assert.equal(response.headers.get("content-encoding"), "gzip");
    assert.deepEqual(await response.bytes(), packed);
  });
});

Deno.test("fetch() gives a Response of every status, without fields that end at this hop", async () => {
  await using server = await provision("nginx", { range: { from: 20_860, to: 20_899 } });
  const caller = new DirectCaller(`127.0.0.1:${server.ports[0]}`, planOf());
  const upstream = httpUpstream.handle(caller, contextOf());
  const empty = await upstream.fetch("/empty");
  assert.deepEqual([empty.status, empty.body], [204, null]);
  assert.equal(empty.headers.get("connection"), null);
  const broken = await upstream.fetch("/broken");
  assert.deepEqual([broken.status, await broken.text()], [503, "broken"]);
  assert.equal((await upstream.fetch("/files/none")).status, 404);
  const head = await upstream.fetch("/", { method: "HEAD" });
  assert.deepEqual([head.status, head.body], [200, null]);
  await Deno.writeTextFile(`${server.folder}/www/a`, "a");
  const tag = (await upstream.fetch("/files/a")).headers.get("etag")!;
  const same = await upstream.fetch("/files/a", { headers: { "if-none-match": tag } });
  assert.deepEqual([same.status, same.body], [304, null]);
  caller.close();
});

Deno.test("fetch() ends a streamed body with the reason of its signal", async () => {
  let cancelled = false;
  const serve = () =>
    new Response(
      new ReadableStream({
        start: (controller) => controller.enqueue(new Uint8Array([1])),
        cancel: () => void (cancelled = true),
      }),
    );
  await withServer(serve, async ({ upstream }) => {
    const abort = new AbortController();
    const { body } = await upstream.fetch("/", { signal: abort.signal });
    const reader = body!.getReader();
    assert.deepEqual((await reader.read()).value, new Uint8Array([1]));
    const next = reader.read();
    abort.abort(new Error("enough"));
    await assert.rejects(next, { message: "enough" });
  });
  assert.ok(cancelled, "the upstream saw the end");
});

Deno.test("fetch() refuses what is no request with a TypeError, and sends nothing", async () => {
  await withServer(mirror, async ({ upstream, caller }) => {
    const wrong: Array<[string | URL, Parameters<typeof upstream.fetch>[1]?]> = [
      ["users"],
      ["ftp://a/b"],
      ["/", { method: "GET", body: "x" }],
      ["/", { method: "CONNECT" }],
      ["/", { method: "A B" }],
      ["/", { headers: { "x-a": "1\r\nx-b: 2" } }],
      ["/", { headers: { "x a": "1" } }],
      ["/", { headers: { host: "a b" } }],
    ];
    for (const [path, init] of wrong) {
      await assert.rejects(upstream.fetch(path, init), TypeError, `${path} ${init}`);
    }
    assert.equal(caller.requests.length, 0);
  });
});

Deno.test("fetch() sends the path of whatever names one, made safe", async () => {
  await withServer(() => new Response("x"), async ({ upstream, caller }) => {
    const paths: Array<[string | URL, string]> = [
      ["/a?b=c", "/a?b=c"],
      ["/a b\r\n\u00e4#part", "/a%20b%C3%A4"],
      ["/a/../../b", "/b"],
      ["//host/a", "//host/a"],
      ["http://other.example/x?y", "/x?y"],
      [new URL("https://other.example/x?y#z"), "/x?y"],
    ];
    for (const [path, target] of paths) {
      await upstream.fetch(path);
      assert.equal(caller.requests.at(-1)!.target, target);
    }
  });
});

Deno.test("methods of other protocols throw a TypeError that names upstream and protocol", () => {
  const upstream = httpUpstream.handle(new DirectCaller("127.0.0.1:1", planOf()), contextOf());
  const expected = { name: "TypeError", message: "Cannot command on upstream users: it speaks http" };
  assert.throws(() => upstream.command("GET", "key"), expected);
  assert.throws(() => upstream.request(new Uint8Array(1)), TypeError);
});

Deno.test("judge() counts 5xx as failures and reads Retry-After where that means something", () => {
  const judge = (status: number, value?: string) => {
    const headers = value === undefined ? [] : ["x-a", "1", "retry-after", value];
    const { ok, status: said, retryAfterMs } = httpUpstream.judge({
      status,
      headers,
      body: null,
      bodyBytes: -1,
    });
    assert.equal(said, status);
    return [ok, retryAfterMs];
  };
  assert.deepEqual(judge(200, "5"), [true, 0]);
  assert.deepEqual(judge(404), [true, 0]);
  assert.deepEqual(judge(429, "5"), [true, 5000]);
  assert.deepEqual(judge(500), [false, 0]);
  assert.deepEqual(judge(503, "120"), [false, 120_000]);
  for (const wrong of ["", "-1", "1.5", "soon", "1e3", "99999999999", "Fri, 31 Dec 1999 23:59:59 GMT"]) {
    assert.deepEqual(judge(503, wrong), [false, 0], wrong);
  }
  const [, ms] = judge(503, new Date(Date.now() + 60_000).toUTCString());
  assert.ok(Number(ms) > 55_000 && Number(ms) <= 60_000, `${ms}`);
});

Deno.test("probe() asks for the path of the plan and takes 200 to 399 for good", () => {
  const plan = { ...planOf(), health: { probe: { path: "/up" } } } as unknown as UpstreamPlan;
  const { request, good } = httpUpstream.probe(plan);
  assert.deepEqual([request.method, request.target], ["GET", "/up"]);
  const says = (status: number) => good({ status, headers: [], body: null, bodyBytes: -1 });
  assert.deepEqual([200, 204, 302, 399, 400, 404, 503].map(says), [
    true,
    true,
    true,
    true,
    false,
    false,
    false,
  ]);
});
