/**
 * Ends what a thread runs, also code that never yields. `Worker.terminate()` of Deno up to 2.9 leaves such code running for
 * as long as the process lives (denoland/deno#35657), one core each; V8's `Runtime.terminateExecution` reaches it, through
 * the thread's private inspector address.
 */

/** How long the inspector may take to answer, ms. */
const limitMs = 5000;

/** Resolves when the inspector at `url` has ended what its thread runs, or when there is none any more. */
export function endExecution(url: string): Promise<void> {
  return new Promise((resolve) => {
    const socket = new WebSocket(url);
    const end = () => {
      clearTimeout(timer);
      socket.onopen =
        socket.onmessage =
        socket.onerror =
        socket.onclose =
          null;
      socket.close();
      resolve();
    };
    const timer = setTimeout(end, limitMs);
    socket.onopen = () => socket.send('{"id":1,"method":"Runtime.terminateExecution"}');
    socket.onmessage = ({ data }) => JSON.parse(data).id === 1 && end();
    socket.onerror = socket.onclose = end;
  });
}
