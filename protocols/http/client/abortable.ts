/** A stream that ends with the reason of a signal. */

/** `body` until `signal` aborts: then its reader gets the reason, and `body` is cancelled. */
export function abortable(body: ReadableStream<Uint8Array>, signal: AbortSignal): ReadableStream<Uint8Array> {
  const reader = body.getReader();
  let abort: () => void;
  const through = () => signal.removeEventListener("abort", abort);
  return new ReadableStream<Uint8Array>({
    start(controller) {
      abort = () => {
        through();
        controller.error(signal.reason);
        reader.cancel(signal.reason).catch(() => {});
      };
      if (signal.aborted) abort();
      else signal.addEventListener("abort", abort);
    },
    async pull(controller) {
      try {
        const { done, value } = await reader.read();
        if (signal.aborted) return;
        if (!done) return controller.enqueue(value);
        through();
        controller.close();
      } catch (error) {
        through();
        if (!signal.aborted) controller.error(error);
      }
    },
    cancel(reason) {
      through();
      return reader.cancel(reason);
    },
  }, { highWaterMark: 0 });
}
