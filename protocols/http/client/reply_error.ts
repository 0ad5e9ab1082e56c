/** The one error of reply parsing: the bytes are not a reply that RFC 9110 and RFC 9112 allow, or larger than allowed. */
export class ReplyError extends Error {
  override readonly name = "ReplyError";
}
