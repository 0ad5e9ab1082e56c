/**
 * The pattern `stream`: a handler answers one frame with any number of them. The handler runs as soon as its frame is
 * there; what it returns is read when its turn has come, so that the answers of one frame never mix with those of
 * another. The next item is asked for when the one before has been handed to the connection and the connection takes
 * more. A stream ends early when its request was refused meanwhile (deadline) or the connection is gone.
 */
import type { Service } from "../../core/service.ts";
import { fitting, type FrameHandler, type FrameReply, isAsyncIterable, replyFrame } from "./handler.ts";
import type { Framing } from "./framing.ts";

/** What a request of this pattern is told by its connection. */
export interface Turn {
  /** False once nothing may be sent for this request any more. */
  readonly open: boolean;
  /** Settles when every earlier request has been answered; undefined when that is so already. */
  wait(): Promise<void> | undefined;
  /** Sends one frame; a promise when the connection takes no more for now. */
  send(frame: Uint8Array): Promise<void> | undefined;
}

/** The answer that says: all frames were sent already. */
export const streamed = new Uint8Array(0);

/** Answers one frame, in its `turn`, with what `handler` returns. */
export function streamService(
  handler: FrameHandler,
  framing: Framing,
  turn: Turn,
): Service<Uint8Array, Uint8Array> {
  return async (frame, context) => {
    const reply: FrameReply = await handler(frame, context);
    if (reply === undefined || reply === null) return streamed;
    if (!isAsyncIterable(reply)) return replyFrame(reply, framing);
    await turn.wait();
    for await (const item of turn.open ? reply : []) {
      if (!turn.open) break;
      await turn.send(fitting(replyFrame(item, framing), framing));
    }
    return streamed;
  };
}
