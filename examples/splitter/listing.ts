/** `GET /experiments`: what is being tested right now, for people and dashboards. */
import type { ExperimentSet } from "./experiment_set.ts";

/** The set as plain JSON; shares are written as in the file. */
export function listing(set: ExperimentSet): Record<string, unknown> {
  return {
    version: set.version,
    attributes: set.names.list(),
    layers: set.layers.map((layer) => ({
      layer: layer.name,
      free: percent(layer.slots.filter((owner) => owner === undefined).length),
      experiments: layer.experiments.map((experiment) => ({
        experiment: experiment.name,
        about: experiment.about || undefined,
        enabled: experiment.enabled,
        share: percent(experiment.ranges.reduce((sum, [begin, end]) => sum + end - begin, 0)),
        at: experiment.ranges.map(([begin, end]) => `${percent(begin)}..${percent(end)}`),
        targeted: experiment.when !== undefined,
        groups: Object.fromEntries(experiment.groups.map((group) => [group.name, percent(group.slots)])),
        overrides: experiment.overrides.size,
      })),
    })),
  };
}

function percent(slots: number): string {
  return `${slots / 100}%`;
}
