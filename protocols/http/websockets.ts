/**
 * Knows the WebSockets that handlers open, so that a drain can close them politely (1001, going away) and a connection
 * counts as open while its socket is. Wraps `Deno.upgradeWebSocket` once per process; user code calls that as always.
 */

const opened = new Map<Request, WebSocket>();
/** An upgrade whose answer never came back to us is forgotten when this many are waiting. */
const maxWaiting = 256;
let wrapped = false;

/** Starts to take note of upgrades. */
export function watchUpgrades(): void {
  if (wrapped) return;
  wrapped = true;
  const upgrade = Deno.upgradeWebSocket;
  try {
    Deno.upgradeWebSocket = (request, options) => {
      const upgraded = upgrade(request, options);
      if (opened.size >= maxWaiting) opened.delete(opened.keys().next().value!);
      opened.set(request, upgraded.socket);
      return upgraded;
    };
  } catch {
    // A frozen namespace: sockets then end with the process.
  }
}

/** The socket that was opened for `request`, once. */
export function takeUpgrade(request: Request): WebSocket | undefined {
  const socket = opened.get(request);
  opened.delete(request);
  return socket;
}
