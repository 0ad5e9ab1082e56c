/** Adapter and handlers of the pool's tests and bench. */
type Handler = (payload: Uint8Array, ctx: unknown) => Uint8Array | Promise<Uint8Array>;
export function make(handler: unknown): Handler {
  return handler as Handler;
}
export function echo(payload: Uint8Array): Uint8Array {
  return payload;
}
export default echo;
