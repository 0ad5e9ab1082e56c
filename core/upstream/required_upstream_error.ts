/** A worker cannot be ready because an upstream that is `required` cannot be reached. That may change by itself. */
export class RequiredUpstreamError extends Error {
  override name = "RequiredUpstreamError";
}
