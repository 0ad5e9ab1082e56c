/** What a decoder throws: bytes that can never become a frame. The connection cannot be put in step again after it. */
import { ServiceError } from "../../core/errors.ts";

/**
 * Bytes that do not follow the declared framing (`protocol_error`) or announce more than the bound (`body_too_large`).
 * `offset` counts the bytes of the connection before the one that broke the rule.
 */
export class FramingError extends ServiceError {
  readonly offset: number;

  constructor(reason: "protocol_error" | "body_too_large", message: string, offset: number) {
    super(reason, `${message} (byte ${offset} of the connection)`, { source: "client" });
    this.offset = offset;
  }
}

/** The error for a frame that announces, or already has, more bytes than `maxBytes`. */
export function tooLarge(announced: number | string, maxBytes: number, offset: number): FramingError {
  return new FramingError("body_too_large", `A frame of ${announced} bytes; at most ${maxBytes}`, offset);
}
