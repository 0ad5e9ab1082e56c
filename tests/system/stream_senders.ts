/**
 * Clients that send numbers to a {@link StreamService} and remember which of them were acknowledged: what a service says
 * it has, it must deliver. A number is used once; what failed is not sent again.
 */

/** What became of the numbers. */
export interface Sent {
  /** Numbers that the service said it has. */
  acknowledged: number[];
  /** Numbers whose fate is unknown: the request failed, so they may arrive or not. */
  unknown: number;
  /** From the request to the answer, ms. */
  latenciesMs: number[];
}

/** How the load is made. */
export interface SendersOptions {
  port: number;
  clients: number;
  /** Records of one request. */
  count: number;
  /** Padding of each record, bytes. */
  bytes?: number;
  /** Most records per second over all clients; no limit unless given. */
  rate?: number;
}

/** Starts to send; `stop` ends it and says what was sent. */
export function startSenders(options: SendersOptions): { sent: Sent; stop(): Promise<Sent> } {
  const { port, clients, count, bytes = 0, rate = Infinity } = options;
  const sent: Sent = { acknowledged: [], unknown: 0, latenciesMs: [] };
  const startedAt = performance.now();
  let next = 0;
  let stopped = false;
  const client = async () => {
    while (!stopped) {
      const from = next;
      next += count;
      const dueAt = startedAt + from / rate * 1000;
      const waitMs = dueAt - performance.now();
      if (waitMs > 0) await new Promise((resolve) => setTimeout(resolve, waitMs));
      const at = performance.now();
      try {
        const url = `http://127.0.0.1:${port}/send?from=${from}&count=${count}&bytes=${bytes}`;
        const response = await fetch(url, { signal: AbortSignal.timeout(30_000) });
        if (!response.ok) throw new Error(`status ${response.status}: ${await response.text()}`);
        const safe: number[] = await response.json();
        for (const n of safe) sent.acknowledged.push(n);
        sent.unknown += count - safe.length;
        sent.latenciesMs.push(performance.now() - at);
      } catch {
        sent.unknown += count;
        // A worker that was killed: its port is taken over by others in a moment.
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    }
  };
  const running = Promise.all(Array.from({ length: clients }, client));
  return {
    sent,
    async stop() {
      stopped = true;
      await running;
      return sent;
    },
  };
}

/** What a reader found, against what was acknowledged. */
export interface Delivery {
  /** Acknowledged and not found: must be empty. The first ten. */
  lost: number[];
  lostCount: number;
  /** Found more than once, each further time counted. */
  repeated: number;
  /** Found at all. */
  delivered: number;
}

/** Compares the numbers that arrived with those that were acknowledged. */
export function deliveryOf(acknowledged: readonly number[], arrived: Iterable<number>): Delivery {
  const seen = new Set<number>();
  let repeated = 0;
  for (const n of arrived) {
    if (seen.has(n)) repeated++;
    else seen.add(n);
  }
  const lost = acknowledged.filter((n) => !seen.has(n));
  return { lost: lost.slice(0, 10), lostCount: lost.length, repeated, delivered: seen.size };
}
