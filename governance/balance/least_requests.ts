/** `leastRequests`: of two members the one with fewer attempts in flight per weight (Envoy's LEAST_REQUEST). */
import type { Member } from "./member.ts";
import { TwoChoices } from "./two_choices.ts";

/** See the module's header. */
export class LeastRequests extends TwoChoices {
  protected readonly tolerance = 1;
  protected readonly forces = false;

  protected cost(_member: Member, load: number): number {
    return load + 1;
  }
}
