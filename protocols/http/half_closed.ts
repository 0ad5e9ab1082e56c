/**
 * Answers for peers that shut down their sending side and wait (`printf … | nc -N`): the runtime takes that for leaving
 * and drops every answer that is not there at once. Here it is written as plain HTTP/1.1 on a descriptor of our own. The
 * end of the body is the end of the connection, which every version of HTTP understands.
 */
import { STATUS_CODES } from "node:http";
import type { LastWriter } from "../../core/protocol.ts";

/** Writes `response` and closes; `head` leaves the body out. Rejects when the peer is gone, or was closed meanwhile. */
export async function answerHalfClosed(writer: LastWriter, response: Response, head: boolean): Promise<void> {
  const body = response.body?.getReader();
  try {
    await writer.write(new TextEncoder().encode(headOf(response)));
    for (let part = head ? undefined : await body?.read(); part && !part.done; part = await body!.read()) {
      await writer.write(part.value);
    }
  } finally {
    writer.close();
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
