/**
 * Writes to a connection whose peer has shut down its sending side, after the runtime has given it up: on a descriptor
 * of our own, with plain send(2). Nothing in the runtime takes such a socket (all of them look for the end of input
 * first). Rare, so a peer that is slow to read is asked again every few milliseconds instead of being waited for.
 */
import type { LastWriter } from "../protocol.ts";
import type { SocketCalls } from "./libc.ts";

const retryMs = 5;

/** Owns descriptor `fd`. */
export function lastWriter(fd: number, calls: SocketCalls): LastWriter {
  let open = true;
  return {
    async write(bytes) {
      for (let at = 0; at < bytes.length;) {
        if (!open) throw new Deno.errors.BrokenPipe("the connection was closed");
        const sent = calls.send(fd, bytes.subarray(at));
        if (sent < 0) throw new Deno.errors.ConnectionReset("the peer is gone");
        at += sent;
        if (sent === 0) await new Promise((resolve) => setTimeout(resolve, retryMs));
      }
    },
    close() {
      if (!open) return;
      open = false;
      calls.close(fd);
    },
  };
}
