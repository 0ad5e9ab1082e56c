/**
 * Which parts of a received message are its envelope, topic, signature and body. Grammar (RFC 28 for envelopes):
 *
 * ```
 * router, rep   identity · *envelope · "" · [signature] · 1*body      the empty part and what is before it may be missing
 * dealer        [*envelope · ""] · [signature] · 1*body                 with router, but not with rep
 * sub, xsub     [topic ·] [signature] · 1*body                          one part alone is the body; signed: with a topic
 * pull, pair    [signature] · 1*body
 * ```
 * The envelope goes back with the reply as it came, its empty part included.
 */
import type { ReceiveMemory } from "./receive_memory.ts";

/** How a socket's messages are laid out. */
export interface Layout {
  /** The first part is the sender's identity. */
  readonly identity: boolean;
  /** Parts up to the first empty one are an envelope: never, where there is one, or always. */
  readonly envelope: "none" | "optional" | "required";
  readonly topic: boolean;
  readonly signed: boolean;
}

/** Where the parts are; one object is reused. */
export class Parts {
  /** Parts of the envelope, identity and empty part included. */
  envelope = 0;
  /** Position of the topic; -1 without one. */
  topic = -1;
  signature = -1;
  /** Position of the first part of the body. */
  body = 0;

  /** Finds them; false where the message is not laid out so. */
  find(memory: ReceiveMemory, count: number, layout: Layout): boolean {
    let at = layout.identity ? 1 : 0;
    if (layout.envelope !== "none") {
      const empty = emptyPart(memory, at, count);
      if (empty >= 0) at = empty + 1;
      else if (layout.envelope === "required") return false;
    }
    this.envelope = at;
    this.topic = layout.topic && count - at >= 2 ? at++ : -1;
    if (layout.topic && layout.signed && this.topic < 0) return false;
    this.signature = layout.signed ? at++ : -1;
    this.body = at;
    return at < count;
  }
}

/** The first empty part that something follows; -1 where there is none. */
function emptyPart(memory: ReceiveMemory, from: number, count: number): number {
  const { ends } = memory;
  for (let i = from; i < count - 1; i++) if (ends[i] === (i === 0 ? 0 : ends[i - 1])) return i;
  return -1;
}
