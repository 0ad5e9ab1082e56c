/**
 * Calls that wait for their answer, in the order in which they began: an intrusive list, so that joining and leaving
 * allocate nothing and the one whose deadline comes first is always at its head (all calls of a listener have the same
 * time limit).
 */
import type { RequestCall } from "./call.ts";

/** See the module's header. A call is in at most one list at a time. */
export class CallList {
  head: RequestCall | undefined;
  #tail: RequestCall | undefined;
  size = 0;

  push(call: RequestCall): void {
    call.previous = this.#tail;
    call.next = undefined;
    if (this.#tail) this.#tail.next = call;
    else this.head = call;
    this.#tail = call;
    this.size++;
  }

  remove(call: RequestCall): void {
    if (call.previous) call.previous.next = call.next;
    else if (this.head === call) this.head = call.next;
    else return;
    if (call.next) call.next.previous = call.previous;
    else this.#tail = call.previous;
    call.previous = call.next = undefined;
    this.size--;
  }
}
