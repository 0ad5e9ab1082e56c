/**
 * The question itself: in which experiments and groups is this user? The hot path of the service: per layer one hash,
 * one table look-up and, where an experiment owns the slot, its rule and a second hash. No clock, no chance, no state:
 * the same user and attributes get the same answer on every worker and every machine that has the same file.
 */
import type { Attributes } from "./condition.ts";
import { type ExperimentSet, type Group, type Layer, maxUserChars, slotCount } from "./experiment_set.ts";
import { KeyBytes } from "./murmur3.ts";

// One for all requests: nothing waits between set() and the last hash().
const key = new KeyBytes(maxUserChars);

/** Groups of a user, the layers in their order; `user` has at most {@link maxUserChars} characters. */
export function groupsOf(set: ExperimentSet, user: string, attributes: Attributes): readonly Group[] {
  const groups: Group[] = [];
  if (set.excluded.has(user)) return groups;
  key.set(user);
  for (let i = 0; i < set.layers.length; i++) {
    const group = groupIn(set.layers[i], user, attributes);
    if (group !== undefined) groups.push(group);
  }
  return groups;
}

/** The answer as JSON. */
export function answerOf(set: ExperimentSet, user: string, groups: readonly Group[]): string {
  let experiments = "";
  for (let i = 0; i < groups.length; i++) experiments += i === 0 ? groups[i].json : "," + groups[i].json;
  return `{"user":${JSON.stringify(user)},"version":"${set.version}","experiments":[${experiments}]}`;
}

/** What is recorded of an answer: who got what by which version of the experiments, and when. */
export interface Decision {
  /** Epoch ms. */
  readonly time: number;
  readonly user: string;
  readonly version: string;
  /** `layer/experiment/group` each. */
  readonly groups: readonly string[];
}

/** The record of an answer that is given at epoch ms `time`. */
export function decisionOf(
  { version }: ExperimentSet,
  user: string,
  groups: readonly Group[],
  time: number,
): Decision {
  const paths: string[] = [];
  for (let i = 0; i < groups.length; i++) paths.push(groups[i].path);
  return { time, user, version, groups: paths };
}

function groupIn(layer: Layer, user: string, attributes: Attributes): Group | undefined {
  if (layer.overrides.size > 0) {
    const override = layer.overrides.get(user);
    if (override !== undefined) return override;
  }
  const experiment = layer.slots[slotOf(key.hash(layer.seed))];
  if (experiment === undefined || !experiment.enabled) return undefined;
  if (experiment.when !== undefined && !experiment.when(attributes)) return undefined;
  const slot = slotOf(key.hash(experiment.seed));
  const { groups } = experiment;
  for (let i = 0; i < groups.length; i++) if (slot < groups[i].end) return groups[i];
  return undefined;
}

function slotOf(hash: number): number {
  return Math.floor(hash / 2 ** 32 * slotCount);
}
