/**
 * Who stands where in the kernel's SO_REUSEPORT groups, one group per address. The kernel numbers the members in the
 * order in which they listened and gives the place of one that closes to the last one; the same is done here, so that
 * a worker can be told its place and the size of its group.
 */

/** A member's place in a group of `size`. */
export interface Place {
  self: number;
  size: number;
}

/** The groups of all addresses; members are process serials. */
export class SteeringGroups {
  readonly #groups = new Map<string, number[]>();

  /** `member` listens on `addresses` now. */
  join(member: number, addresses: Iterable<string>): void {
    for (const address of addresses) {
      const group = this.#groups.get(address) ?? [];
      if (!group.includes(member)) group.push(member);
      this.#groups.set(address, group);
    }
  }

  /** `member` no longer listens anywhere; false when it did not. */
  leave(member: number): boolean {
    let found = false;
    for (const [address, group] of this.#groups) {
      const at = group.indexOf(member);
      if (at < 0) continue;
      found = true;
      const last = group.pop()!;
      if (last !== member) group[at] = last;
      if (group.length === 0) this.#groups.delete(address);
    }
    return found;
  }

  has(member: number): boolean {
    for (const group of this.#groups.values()) if (group.includes(member)) return true;
    return false;
  }

  /** The places of `member` by address, only where it is not alone. */
  places(member: number): Record<string, Place> {
    const places: Record<string, Place> = {};
    for (const [address, group] of this.#groups) {
      const self = group.indexOf(member);
      if (self >= 0 && group.length > 1) places[address] = { self, size: group.length };
    }
    return places;
  }
}
