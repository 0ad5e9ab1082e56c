/** The client's own producer in a bare loop: one batch after the other, nothing read, nothing remembered. */
import process from "node:process";
import { type CompressionAlgorithmValue, Producer } from "@platformatic/kafka";

const { brokers, topic, compression, count, batch, recordBytes } = JSON.parse(Deno.args[0]!);
const producer = new Producer({
  clientId: "bare",
  bootstrapBrokers: brokers,
  acks: -1,
  idempotent: true,
  compression: compression as CompressionAlgorithmValue,
});
const value = Buffer.from(crypto.getRandomValues(new Uint8Array(recordBytes / 2)).toHex());
const before = process.cpuUsage();
const startedAt = performance.now();
for (let n = 0; n < count; n += batch) {
  const messages = Array.from(
    { length: Math.min(batch, count - n) },
    (_, i) => ({ topic, key: Buffer.from(String(n + i)), value }),
  );
  await producer.send({ messages });
}
const tookMs = performance.now() - startedAt;
const { user, system } = process.cpuUsage(before);
await producer.close();
console.log(JSON.stringify({ tookMs, cpuMs: (user + system) / 1000 }));
Deno.exit(0);
