/**
 * The one wait for all ZeroMQ sockets of a worker. ZMQ_FD of a socket becomes readable when something *may* have happened
 * to it, and says so once (zmq_getsockopt(3)): whoever was told has to work until the socket has nothing more, and
 * whoever sends may have swallowed the word, so has to look afterwards. So there is a set of sockets to look at; each is
 * worked on until it is through or the turn's time is over, and only when the set is empty poll(2) is asked again.
 */
import { setImmediate } from "node:timers";
import { monotonicMs } from "../../core/monotonic.ts";
import { PollSet, WakePipe } from "./system_poll.ts";

/** One socket that is waited for. */
export interface Waited {
  /** ZMQ_FD. */
  readonly descriptor: number;
  /** False while nobody wants to know (back-pressure): it is not waited for then. */
  readonly wanted: boolean;
  /** Works until the socket has nothing more (true), or until about `untilMs`, monotonic (false). Must not throw. */
  work(untilMs: number): boolean;
}

/** Longest time of one turn of the loop. */
const turnMs = 2;
/** After work it looks this often, once per turn of the loop, before it waits on a thread: that wait costs two hops. */
const looksBeforeWait = 3;

/** See the module's header. */
export class Readiness {
  readonly #all = new Set<Waited>();
  /** To be worked on, in turn. */
  readonly #marked = new Set<Waited>();
  readonly #pipe = new WakePipe();
  #waitSet = new PollSet(16);
  #lookSet = new PollSet(16);
  /** Those in the wait set, in its order, behind the pipe. */
  #order: Waited[] = [];
  #stale = true;
  #waiting = false;
  #scheduled = false;
  #looksLeft = 0;
  #closed = false;

  /** From now on `one` is worked on when something happens to it; and once at first. */
  add(one: Waited): void {
    this.#all.add(one);
    this.#changed();
    this.look(one);
  }

  /** Nothing of it is called any more. */
  remove(one: Waited): void {
    this.#all.delete(one);
    this.#marked.delete(one);
    this.#changed();
  }

  /** Something was done to the socket, or it is `wanted` again: it is looked at in this turn of the loop or the next. */
  look(one: Waited): void {
    if (!this.#all.has(one)) return;
    this.#marked.add(one);
    this.#schedule();
  }

  /** `wanted` of one has changed. */
  wantedChanged(one: Waited): void {
    this.#changed();
    if (one.wanted) this.look(one);
  }

  /** Ends the wait; call it when all sockets are removed. */
  close(): void {
    this.#closed = true;
    this.#all.clear();
    this.#marked.clear();
    if (this.#waiting) this.#pipe.wake();
    else this.#pipe.close();
  }

  #changed(): void {
    this.#stale = true;
    // The wait that runs knows the old set.
    if (this.#waiting) this.#pipe.wake();
    else this.#schedule();
  }

  #schedule(): void {
    if (this.#scheduled || this.#closed) return;
    this.#scheduled = true;
    setImmediate(this.#turn);
  }

  readonly #turn = (): void => {
    this.#scheduled = false;
    if (this.#closed) return;
    if (!this.#waiting) this.#lookAround();
    if (this.#marked.size > 0) {
      this.#work();
      this.#looksLeft = looksBeforeWait;
      return this.#schedule();
    }
    if (this.#waiting || this.#all.size === 0) return;
    if (this.#looksLeft-- > 0) this.#schedule();
    else this.#wait();
  };

  #work(): void {
    const untilMs = monotonicMs() + turnMs;
    for (const one of this.#marked) {
      this.#marked.delete(one);
      if (!one.work(untilMs) && one.wanted && this.#all.has(one)) {
        // At the end of the row: the others come first next time.
        this.#marked.add(one);
        return;
      }
      if (monotonicMs() > untilMs) return;
    }
  }

  /** Marks what has become ready meanwhile, without waiting. */
  #lookAround(): void {
    this.#build();
    if (this.#lookSet.now() > 0) this.#mark(this.#lookSet);
  }

  #wait(): void {
    this.#build();
    this.#waiting = true;
    this.#waitSet.wait().then((ready) => {
      this.#waiting = false;
      if (this.#closed) return this.#pipe.close();
      if (ready > 0) this.#mark(this.#waitSet);
      // Nothing for a second, or a signal: a look costs little, and no word can be lost for longer.
      else this.#order.forEach((one) => one.wanted && this.#all.has(one) && this.#marked.add(one));
      this.#pipe.clear();
      this.#turn();
    });
  }

  #mark(set: PollSet): void {
    const order = this.#order;
    for (let i = 0; i < order.length; i++) {
      const one = order[i]!;
      if (set.isReady(i + 1) && one.wanted && this.#all.has(one)) this.#marked.add(one);
    }
  }

  #build(): void {
    if (!this.#stale) return;
    this.#stale = false;
    this.#order = [...this.#all].filter((one) => one.wanted);
    for (const name of ["wait", "look"] as const) {
      const old = name === "wait" ? this.#waitSet : this.#lookSet;
      const needed = this.#order.length + 1;
      const set = old.capacity >= needed ? old : new PollSet(2 * needed);
      set.clear();
      set.add(this.#pipe.descriptor);
      for (const one of this.#order) set.add(one.descriptor);
      if (name === "wait") this.#waitSet = set;
      else this.#lookSet = set;
    }
  }
}
