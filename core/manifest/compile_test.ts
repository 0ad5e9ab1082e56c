import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import fc from "fast-check";
import { compile, compileFile, type CompileOptions } from "./compile.ts";
import { formatDiagnostic } from "./format_diagnostic.ts";
import { compileValid, validFiles, validFolder, validOptions } from "./valid_manifests.ts";

const options: CompileOptions = {
  cwd: "/srv/hello",
  env: {},
  platform: "linux",
  cores: 4,
  stat: (path) => /\.(ts|pem)$/.test(path) ? "file" : null,
  readFile: (path) => `content of ${path}\n`,
};

const hello = {
  service: "hello",
  listeners: { web: { protocol: "http", listen: "127.0.0.1:8080", handler: "./hello.ts" } },
};

function messages(source: string | object, more: CompileOptions = {}): string[] {
  return compile(source, { ...options, ...more }).diagnostics.map(({ message }) => message);
}

Deno.test("compile() fills in every default of a small manifest", () => {
  const { plan } = compile(hello, options);
  assert.deepEqual(JSON.parse(JSON.stringify(plan)), {
    service: "hello",
    version: null,
    cluster: "default",
    workers: {
      count: 4,
      memory: 536_870_912,
      age: 0,
      requests: 0,
      hang: 2000,
      drain: 15_000,
      keepAccepting: 0,
      nice: 0,
    },
    listeners: {
      web: {
        protocol: "http",
        listen: [{ transport: "tcp", hostname: "127.0.0.1", port: 8080 }],
        handler: { module: "file:///srv/hello/hello.ts", export: "default" },
        routes: [],
        run: "inline",
        deadline: 5000,
        accept: {
          mode: "reusePort",
          backlog: 511,
          connections: 10_000,
          perAddress: 0,
          firstByte: 10_000,
          headers: 10_000,
          body: 30_000,
          idle: 75_000,
          age: 0,
        },
        admit: { concurrency: 1024, queue: 512, wait: 100 },
        limits: { body: 8_388_608, headers: 16_384, url: 8192 },
        trustedProxies: [],
        tls: null,
        access: null,
        rate: null,
      },
    },
    pools: {},
    upstreams: {},
    streams: {},
    loops: {},
    logs: {
      level: "info",
      format: "auto",
      sinks: {},
      routes: [],
      redact: ["authorization", "cookie", "set-cookie", "*.password", "*.token", "*.secret"],
    },
    governance: null,
    telemetry: null,
    meta: { listen: [{ transport: "tcp", hostname: "127.0.0.1", port: 9901 }], token: null },
    file: null,
    directory: "/srv/hello",
    secrets: [],
  });
});

Deno.test("compile() gives a frozen plan that JSON carries unchanged", () => {
  for (const name of validFiles()) {
    const { plan, diagnostics } = compileValid(name);
    assert.deepEqual(diagnostics, [], name);
    assert.deepEqual(JSON.parse(JSON.stringify(plan)), plan, name);
    assert.throws(() => Object.assign(plan!.workers, { count: 9 }), TypeError);
    assert.throws(() => Object.assign(plan!.logs.redact, { 0: "x" }), TypeError);
  }
});

Deno.test("compile() gives the reference manifest its meaning", () => {
  const plan = compileValid("reference.yaml").plan!;
  assert.equal(plan.workers.count, 3);
  assert.equal(plan.workers.age, 86_400_000);
  const { api, orders, metrics } = plan.listeners;
  assert.ok(api.protocol === "http" && orders.protocol === "frames" && metrics.protocol === "zmq");
  assert.deepEqual(api.rate, { limit: 1000, burst: 200, per: "address" });
  assert.deepEqual(api.tls?.clientCa, `${validFolder}/files/ca.pem`);
  assert.deepEqual(orders.framing.lengthPrefix, { bytes: 4, endian: "big", includesItself: false });
  assert.equal(metrics.curve?.secretKey, "curve-secret");
  assert.deepEqual(plan.secrets, [
    "listeners.metrics.curve.secretKey",
    "listeners.metrics.signed.secret",
    "listeners.events.sasl.password",
    "streams.decisions.kafka.sasl.password",
  ]);
  const { kafka, spool } = plan.streams.decisions;
  assert.equal(kafka?.tls?.ca, `${validFolder}/files/ca.pem`);
  assert.deepEqual(spool, { directory: `${validFolder}/spool`, max: 2 ** 30, full: "block", sync: 1000 });
  assert.equal(plan.upstreams.users.retry?.budget, 0.2);
  assert.deepEqual(plan.upstreams.users.hedge?.after, { percentile: 0.99 });
  assert.equal(plan.meta?.token, null);
  assert.equal(plan.file, `${validFolder}/reference.yaml`);
});

Deno.test("compile() gives handOff where the platform has no other way, whatever the manifest says", () => {
  const asked = structuredClone(hello) as typeof hello & { listeners: { web: { accept?: object } } };
  asked.listeners.web.accept = { mode: "reusePort" };
  for (const source of [hello, asked]) {
    const web = compile(source, { ...options, platform: "darwin" }).plan!.listeners.web;
    assert.ok("accept" in web && web.accept.mode === "handOff");
  }
});

Deno.test("compile() merges, aliases, and lets null undo what was merged", () => {
  const { a, b, c } = compileValid("anchors.yaml").plan!.listeners;
  assert.ok(a.protocol === "http" && b.protocol === "http" && c.protocol === "http");
  assert.equal(a.deadline, 90_000);
  assert.equal(a.limits.body, 65_536);
  assert.equal(a.listen.length, 3);
  assert.deepEqual(b.listen, [{ transport: "tcp", hostname: "0.0.0.0", port: 8082 }]);
  assert.equal(b.deadline, 250);
  assert.equal(b.tls, null);
  assert.equal(c.accept.idle, 1_800_000);
});

Deno.test("compile() reads the environment by what each place takes", () => {
  const plan = compileValid("environment.yaml").plan!;
  assert.equal(plan.service, "environment");
  assert.equal(plan.version, "1.0-${literal}");
  const web = plan.listeners.web;
  assert.ok(web.protocol === "http");
  assert.deepEqual(web.listen, [{ transport: "tcp", hostname: "127.0.0.1", port: 8080 }]);
  assert.deepEqual(web.admit, { concurrency: 1024, queue: 64, wait: 50 });
  assert.equal(plan.meta?.token, "token-of-meta");
  const numeric = compile("service: hello\nversion: ${V}\nloops: { a: { handler: ./a.ts, every: 1s } }\n", {
    ...options,
    env: { V: "1.10" },
  });
  assert.equal(numeric.plan?.version, "1.10");
});

Deno.test("compile() lets no variable add structure", () => {
  const env = { NAME: "hello\nmeta: false", LIST: "[1, 2]" };
  const { diagnostics } = compile(
    "service: ${NAME}\nversion: ${LIST}\nloops: { a: { handler: ./a.ts, every: 1s } }",
    {
      ...options,
      env,
    },
  );
  assert.deepEqual(diagnostics.map(({ path }) => path), ["service"]);
});

Deno.test("compile() lists every missing variable in one run", () => {
  const source =
    "service: ${A}\nlisteners: { web: { protocol: '${B}', listen: '${C}:${D}', handler: './${E}' } }\n";
  const missing = messages(source).map((message) => /`([A-E])`/.exec(message)?.[1]);
  assert.deepEqual(missing, ["A", "B", "C", "D", "E"]);
});

Deno.test("compile() reads secrets from files without their last line break", () => {
  const { plan } = compile({ ...hello, meta: { token: { fromFile: "./token" } } }, options);
  assert.equal(plan?.meta?.token, "content of /srv/hello/token");
  assert.deepEqual(plan?.secrets, ["meta.token"]);
});

Deno.test("compile() names problems of an object by their paths", () => {
  const { diagnostics } = compile({ ...hello, workers: { cuont: 2 } }, options);
  assert.equal(diagnostics.length, 1);
  const text = formatDiagnostic(diagnostics[0]);
  assert.equal(text, "workers.cuont: unknown key `cuont`; did you mean `count`?");
});

Deno.test("compile() refuses objects that are no plain data", () => {
  const circle: Record<string, unknown> = { ...hello };
  circle["pools"] = circle;
  assert.deepEqual(messages(circle), ["contains itself"]);
  assert.deepEqual(messages({ ...hello, version: () => "1" }), ["must be plain data, but is a function"]);
  assert.deepEqual(messages({ ...hello, version: new Date(0) }), [
    "must be plain data, but is an instance of a class",
  ]);
});

Deno.test("compile() allows port 0 and a switched-off meta any number of times", () => {
  const web = { ...hello.listeners.web, listen: "127.0.0.1:0" };
  const { plan } = compile({ service: "hello", listeners: { a: web, b: web }, meta: false }, options);
  assert.equal(plan?.meta, null);
});

Deno.test("compile() keeps anchors' places in merged maps", () => {
  const source =
    "x-a: &a\n  deadline: 7\nservice: hello\nlisteners:\n  web:\n    <<: *a\n    protocol: http\n" +
    "    listen: 127.0.0.1:1\n    handler: ./a.ts\n";
  const { diagnostics } = compile(source, options);
  assert.deepEqual(diagnostics.map(({ line, column }) => [line, column]), [[2, 13]]);
});

Deno.test("compile() never throws whatever the text", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary", maxLength: 200 }), (text) => {
      const { plan, diagnostics } = compile(text, options);
      assert.ok(plan === undefined && diagnostics.length > 0);
      for (const { line, column } of diagnostics) assert.ok(line >= 1 && column >= 1);
    }),
    { numRuns: 300 },
  );
});

Deno.test("compile() never throws whatever is done to a manifest's text", () => {
  const text = Deno.readTextFileSync(`${validFolder}/frames.yaml`);
  const pieces = [
    "\t",
    "{",
    "[",
    "*frames",
    "&frames",
    "<<: ",
    "${",
    "}",
    "- ",
    ": ",
    "null",
    "\n",
    "'",
    '"',
    "|",
    "!!",
    "---\n",
  ];
  const edit = fc.tuple(fc.nat(text.length), fc.nat(20), fc.constantFrom(...pieces));
  fc.assert(
    fc.property(fc.array(edit, { minLength: 1, maxLength: 4 }), (edits) => {
      let edited = text;
      for (const [at, cut, piece] of edits) edited = edited.slice(0, at) + piece + edited.slice(at + cut);
      const { plan, diagnostics } = compile(edited, { ...validOptions, file: `${validFolder}/edited.yaml` });
      assert.equal(plan === undefined, diagnostics.length > 0);
      for (const { line, column } of diagnostics) assert.ok(line >= 1 && column >= 1);
    }),
    { numRuns: 150 },
  );
});

Deno.test("compile() never throws whatever the object", () => {
  fc.assert(
    fc.property(fc.object({ maxDepth: 4, withBigInt: true, withDate: true, withMap: true }), (value) => {
      const listener = { protocol: "http", listen: value, routes: [value], accept: value, admit: value };
      assert.ok(compile(value, options).diagnostics.length > 0);
      assert.ok(
        compile({ ...hello, listeners: { a: listener }, logs: value, upstreams: value }, options).plan ===
          undefined,
      );
    }),
    { numRuns: 150 },
  );
});

Deno.test("compile() stays quick on texts made to slow it down", () => {
  const texts = [
    "a: &a [x]\n" + Array.from({ length: 40_000 }, (_, i) => `k${i}: *a\n`).join(""),
    "- ".repeat(200_000),
    "[".repeat(500_000),
    "? ".repeat(100_000),
    "{a: ".repeat(100_000),
    Array.from({ length: 3000 }, (_, i) => " ".repeat(Math.min(i, 300)) + `k${i}:\n`).join(""),
    "x".repeat(2_000_000),
    "#".repeat(900_000),
  ];
  for (const text of texts) {
    const start = performance.now();
    assert.ok(compile(text, options).diagnostics.length > 0);
    const ms = performance.now() - start;
    assert.ok(ms < 5000, `${ms} ms for ${text.slice(0, 20)}`);
  }
});

Deno.test("compileFile() refuses what is no text, no file, or too large, with a place", () => {
  const folder = Deno.makeTempDirSync();
  try {
    Deno.writeFileSync(`${folder}/bytes.yaml`, new Uint8Array([0x61, 0x3a, 0x0a, 0x62, 0xff, 0xfe]));
    const [bytes] = compileFile("bytes.yaml", { cwd: folder }).diagnostics;
    assert.deepEqual([bytes.message, bytes.line, bytes.column], ["the manifest is not UTF-8 text", 2, 2]);
    const [none] = compileFile("none.yaml", { cwd: folder }).diagnostics;
    assert.deepEqual([none.file, none.line, none.message], [
      "none.yaml",
      1,
      "cannot read the manifest: there is no such file",
    ]);
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 100 }), (content) => {
        Deno.writeFileSync(`${folder}/any.yaml`, content);
        assert.ok(compileFile("any.yaml", { cwd: folder }).diagnostics.length > 0);
      }),
      { numRuns: 50 },
    );
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
});

Deno.test("compileFile() accepts a byte order mark", () => {
  const readFile = () => "\ufeff" + Deno.readTextFileSync(`${validFolder}/hello.yaml`);
  const result = compileFile("hello.yaml", { ...validOptions, readFile, stat: () => "file" });
  assert.deepEqual(result.diagnostics, []);
});

Deno.test("plan.ts loads neither the schema library nor the YAML parser", () => {
  for (const file of ["plan.ts", "redact_plan.ts", "diff_plans.ts", "explain_upstream.ts", "unit.ts"]) {
    const text = Deno.readTextFileSync(fileURLToPath(new URL(file, import.meta.url)));
    const loaded = [...text.matchAll(/^(?:import|export) (?!type)[^;]*from "([^"]+)"/gm)].map(([, name]) =>
      name
    );
    assert.deepEqual(loaded.filter((name) => !/^\.\/(redact_plan|unit)\.ts$/.test(name)), [], file);
  }
});

Deno.test("compile() gives the accept timers of a frames listener its own idle time", () => {
  const framing = { delimiter: "\n" };
  const lines = { protocol: "frames", listen: "127.0.0.1:7000", handler: "./a.ts", framing, idle: "5s" };
  const { plan } = compile({ service: "hello", listeners: { lines } }, options);
  assert.ok(plan?.listeners.lines.protocol === "frames");
  assert.equal(plan.listeners.lines.accept.idle, 5000);
});
