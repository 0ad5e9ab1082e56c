/**
 * Measuring in turn: every round measures every contender once, each started afresh, so that what the machine does
 * besides hits all of them alike. A contender that cannot be started is left out and named with its cause.
 */

/** One thing to measure. */
export interface Contender<Figures> {
  readonly name: string;
  measure(): Promise<Figures>;
}

/** What {@link alternate} found. */
export interface Alternations<Figures> {
  /** Figures by contender, one for each round. */
  readonly figures: ReadonlyMap<string, readonly Figures[]>;
  /** Why a contender is missing. */
  readonly failures: ReadonlyMap<string, string>;
}

/** Measures all `contenders` in each of `rounds` rounds; the order turns round by round. */
export async function alternate<Figures>(
  contenders: ReadonlyArray<Contender<Figures>>,
  rounds: number,
  say: (text: string) => void,
): Promise<Alternations<Figures>> {
  const figures = new Map<string, Figures[]>(contenders.map(({ name }) => [name, []]));
  const failures = new Map<string, string>();
  for (let round = 0; round < rounds; round++) {
    for (let i = 0; i < contenders.length; i++) {
      // Whoever comes after the same neighbour each time would always inherit the same warm or hot machine.
      const { name, measure } = contenders[(i + round) % contenders.length];
      if (failures.has(name)) continue;
      say(`round ${round + 1} of ${rounds}: ${name}`);
      try {
        figures.get(name)!.push(await measure());
      } catch (error) {
        failures.set(name, (error as Error).message);
        figures.delete(name);
      }
    }
  }
  return { figures, failures };
}
