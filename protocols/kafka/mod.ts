/** Apache Kafka: the protocol, and what handlers get. */
export { kafka } from "./protocol.ts";
export type { KafkaRecord } from "./record.ts";
export type { KafkaBatchHandler, KafkaHandler } from "./handler.ts";
