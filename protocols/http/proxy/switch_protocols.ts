/**
 * The end of HTTP on a proxied connection: the upstream has answered 101, so the client gets that answer and from then on
 * the upstream's bytes. Possible where the connection can be taken from the server that reads it: HTTP/1.1, and without
 * TLS unless a node socket carries it.
 */
import { Refusal } from "../../../core/errors.ts";
import { type ByteStream, Phase } from "../../../core/protocol.ts";
import type { HttpReply } from "../client/message.ts";
import type { Upgrader } from "../websockets.ts";
import { Fate, fates } from "./hop_headers.ts";
import { fieldsOf } from "./proxied_response.ts";
import { Tunnel } from "./tunnel.ts";

/** A peer that is silent this long is asked by the kernel; the runtime's own connections keep the system's time. */
const keepAliveMs = 60_000;

/** Hands both connections over; the answer is for statistics only, nobody writes it. */
export function switchProtocols(upgrader: Upgrader, reply: HttpReply): Response | Refusal {
  const { upgraded, headers } = reply;
  const fields = fieldsOf(headers);
  const upgrade = headers.findIndex((name, i) => i % 2 === 0 && fates.get(name) === Fate.upgrade);
  const agreed = upgrade >= 0 && headers[upgrade + 1]!.toLowerCase() === "websocket";
  if (!upgraded || !fields || !agreed) {
    upgraded?.stream.close();
    return new Refusal("upstream_protocol");
  }
  const { connection } = upgrader;
  const stream = upgrader.takeOver();
  if (!stream) {
    upgraded.stream.close();
    return new Refusal("client_left");
  }
  connection.enter(Phase.stream);
  // Neither side need ever say anything again: the kernel asks whether it is there.
  keepAlive(stream);
  keepAlive(upgraded.stream);
  let head = "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n";
  for (const [name, value] of fields) head += `${name}: ${value}\r\n`;
  const tunnel = new Tunnel(stream, upgraded.stream, upgraded.rest, latin1(head + "\r\n"), (reason) => {
    connection.done(reason);
  });
  connection.kill = (reason) => tunnel.close(reason);
  connection.finish = () => tunnel.finish();
  return new Response(null, { status: 101 });
}

function keepAlive(stream: ByteStream): void {
  const socket = (stream.node ?? stream) as { setKeepAlive?(on: boolean, afterMs?: number): void };
  socket.setKeepAlive?.(true, keepAliveMs);
}

function latin1(text: string): Uint8Array {
  return Uint8Array.from(text, (character) => character.charCodeAt(0));
}
