// Fastify with its own proxy: one process, as its documentation shows it.
import { createRequire } from "node:module";

const load = createRequire(`${process.env.MODULES}/`);
const app = load("fastify").fastify();
app.register(load("@fastify/http-proxy"), { upstream: `http://127.0.0.1:${process.env.BACKEND_PORT}` });
await app.listen({ host: "127.0.0.1", port: Number(process.env.PORT) });
