/**
 * A TCP connection that is given up by a signal. The runtime's own `connect` forgets to close one that came about in the
 * very moment in which it was given up (it looks at the signal once more and throws); this does not.
 */

/** Rejects with what the runtime says, or the signal's reason. A name's addresses are tried one after the other. */
export async function connectTcp(hostname: string, port: number, signal: AbortSignal): Promise<Deno.TcpConn> {
  signal.throwIfAborted();
  const cut = new AbortController();
  // What it would throw with a connection in its hands.
  cut.signal.throwIfAborted = () => {};
  const abort = () => cut.abort();
  signal.addEventListener("abort", abort);
  try {
    const conn = await Deno.connect({ hostname, port, signal: cut.signal });
    if (!signal.aborted) return conn;
    conn.close();
    throw signal.reason;
  } catch (error) {
    throw signal.aborted ? signal.reason : error;
  } finally {
    signal.removeEventListener("abort", abort);
  }
}
