/**
 * The examples of `docs/manifest.md`, by the section that they stand in. A test compiles each of them, and holds what they
 * use against the table of what is not available yet.
 */

/** YAML of one section each, without the `service` that every manifest has. */
export const manifestExamples: Readonly<Record<string, string>> = {
  "": `service: splitter
version: 1.4.0
`,
  workers: `workers:
  count: auto
  memory: 512MiB
  hang: 2s
  drain: 15s
  keepAccepting: 10s
`,
  "listeners.*": `listeners:
  api:
    protocol: http
    listen: 0.0.0.0:8080
    handler: ./split.ts
    deadline: 2s
    accept: { connections: 10000, perAddress: 100, idle: 75s }
    admit: { concurrency: 256, queue: 128, wait: 50ms }
    tls: { cert: ./tls/cert.pem, key: ./tls/key.pem }
`,
  "listeners.http": `listeners:
  api:
    protocol: http
    listen: [127.0.0.1:8080, "unix:./api.sock"]
    limits: { body: 8MiB, headers: 16KiB, url: 8KiB }
    routes:
      - match: { path: /ping }
        respond: { status: 200, body: pong }
      - match: { path: /assets/*, methods: [GET, HEAD] }
        files: ./public
      - handler: ./split.ts
`,
  "listeners.thrift": `listeners:
  rpc:
    protocol: thrift
    listen: 0.0.0.0:9090
    idl: ./split.thrift
    service: Splitter
    handler: ./rpc.ts
`,
  "listeners.frames": `listeners:
  orders:
    protocol: frames
    listen: 0.0.0.0:7000
    framing: { lengthPrefix: { bytes: 4, endian: big }, max: 1MiB }
    pattern: requestReply
    handler: ./orders.ts
`,
  "listeners.zmq": `listeners:
  metrics:
    protocol: zmq
    socket: pull
    listen: tcp://127.0.0.1:5555
    codec: json
    handler: ./metrics.ts
`,
  "listeners.kafka": `listeners:
  events:
    protocol: kafka
    brokers: [127.0.0.1:9092]
    topic: events
    group: splitter
    handler: ./events.ts
`,
  pools: `pools:
  crypto: { kind: cpu, threads: 2, queue: 256, heap: 256MiB, timeout: 2s }
  legacy: { kind: io, threads: 10 }
`,
  upstreams: `upstreams:
  users:
    protocol: http
    discover: { static: [10.0.0.1:80, { address: 10.0.0.2:80, weight: 2 }] }
    timeouts: { connect: 250ms, attempt: 1s, total: 3s }
    retry: { attempts: 2, budget: 20% }
`,
  streams: `streams:
  decisions:
    kafka: { brokers: [127.0.0.1:9092], topic: splits }
    spool: { directory: ./spool, max: 1GiB, full: block }
`,
  loops: `loops:
  heartbeat: { handler: ./beat.ts, every: 1s, on: oneWorker }
`,
  logs: `logs:
  level: info
  sinks:
    access: { file: ./logs/access.log, rotate: { size: 100MiB, keep: 7 } }
    central: { syslog: udp://127.0.0.1:514, facility: local0 }
  routes:
    - { match: "access.*", to: [access], only: true }
    - { match: "**", level: error, to: [central] }
  redact: [authorization, cookie, "*.password"]
`,
  governance: `governance:
  store: { file: ./governance }
  config: { defaults: ./config.yaml }
  switches: { newSplit: 10%, degradeRecommendations: false }
`,
  telemetry: `telemetry:
  statsd: udp://127.0.0.1:8125
  otlp: http://127.0.0.1:4318
`,
  meta: `meta:
  listen: 127.0.0.1:9901
  token: { fromFile: ./meta.token }
`,
};
