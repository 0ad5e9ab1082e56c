// Fastify, as many processes as PROCESSES says, connections dealt out by node:cluster.
import cluster from "node:cluster";
import { createRequire } from "node:module";

if (cluster.isPrimary) {
  for (let i = 0; i < Number(process.env.PROCESSES); i++) cluster.fork();
} else {
  const { fastify } = createRequire(`${process.env.MODULES}/`)("fastify");
  const app = fastify();
  app.get("/", () => ({ message: "Hello, World!", user: 42, groups: ["control", "button", "automatic"] }));
  await app.listen({ host: "127.0.0.1", port: Number(process.env.PORT) });
}
