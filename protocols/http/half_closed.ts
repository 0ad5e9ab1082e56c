/**
 * Answers for peers that shut down their sending side and wait (`printf … | nc -N`): the runtime takes that for leaving
 * and drops every answer that is not there at once. Here it is written as plain HTTP/1.1 on a descriptor of our own. The
 * end of the body is the end of the connection, which every version of HTTP understands.
 */
import { STATUS_CODES } from "node:http";
import net from "node:net";

/** An answer on its way. */
export interface HalfClosedAnswer {
  /** Resolves when it is out, rejects when the peer is gone after all. */
  readonly done: Promise<void>;
  /** Ends at once. */
  kill(): void;
}

/** Writes `response` to descriptor `fd`, which is closed in the end. `head` leaves the body out. */
export function answerHalfClosed(fd: number, response: Response, head: boolean): HalfClosedAnswer {
  const socket = new net.Socket({ fd, readable: false, writable: true, allowHalfOpen: true });
  const failed = new Promise<never>((_, reject) => {
    socket.once("error", reject);
    socket.once("close", () => reject(new Error("the connection was closed")));
  });
  failed.catch(() => {});
  const done = write(socket, response, head, failed).finally(() => socket.destroy());
  return { done, kill: () => void socket.destroy() };
}

async function write(
  socket: net.Socket,
  response: Response,
  head: boolean,
  failed: Promise<never>,
): Promise<void> {
  const put = (bytes: string | Uint8Array) =>
    new Promise<void>((resolve, reject) => socket.write(bytes, (error) => error ? reject(error) : resolve()));
  const body = response.body?.getReader();
  try {
    await Promise.race([put(headOf(response)), failed]);
    for (let part = head ? undefined : await body?.read(); part && !part.done; part = await body!.read()) {
      await Promise.race([put(part.value), failed]);
    }
    await Promise.race([new Promise<void>((resolve) => socket.end(resolve)), failed]);
  } finally {
    body?.cancel().catch(() => {});
  }
}

function headOf(response: Response): string {
  const { status, headers } = response;
  const lines = [`HTTP/1.1 ${status} ${response.statusText || (STATUS_CODES[status] ?? "")}`];
  if (!headers.has("date")) lines.push(`date: ${new Date().toUTCString()}`);
  for (const [name, value] of headers) {
    if (name !== "connection" && name !== "transfer-encoding") lines.push(`${name}: ${value}`);
  }
  return lines.join("\r\n") + "\r\nconnection: close\r\n\r\n";
}
