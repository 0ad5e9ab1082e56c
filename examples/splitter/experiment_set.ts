/**
 * The experiments file as the hot path wants it: every layer a table of 10,000 slots, every answer's JSON written
 * beforehand. Made completely or not at all: a file with one mistake is refused with all of its mistakes.
 *
 * Inside a layer a slot belongs to at most one experiment, so a user is in at most one; layers are independent. A share
 * grows at its end and nothing else moves: whoever was in stays in, and stays in the same group.
 */
import type { Node } from "yaml";
import { AttributeNames, compileCondition, type Condition } from "./condition.ts";
import { KeyBytes } from "./murmur3.ts";
import { type Entry, YamlSource } from "./yaml_source.ts";

/** How finely a layer is divided: a slot is 0.01 % of its users. */
export const slotCount = 10_000;

/** Longest user id, in UTF-16 units. */
export const maxUserChars = 256;

/** One way to treat a user. */
export interface Group {
  readonly name: string;
  /** Slots of the experiment that fall to this group. */
  readonly slots: number;
  /** The first slot that is the next group's. */
  readonly end: number;
  /** This group's part of an answer, as JSON. */
  readonly json: string;
  /** `layer/experiment/group`, for records. */
  readonly path: string;
}

/** Users of one part of a layer who are told apart by group. */
export interface Experiment {
  readonly name: string;
  readonly about: string;
  readonly enabled: boolean;
  /** Slots of the layer as [begin, end). */
  readonly ranges: ReadonlyArray<readonly [number, number]>;
  /** Undefined where everybody is meant. */
  readonly when: Condition | undefined;
  readonly seed: number;
  readonly groups: readonly Group[];
  readonly overrides: ReadonlyMap<string, Group>;
}

/** Experiments that exclude each other. */
export interface Layer {
  readonly name: string;
  readonly seed: number;
  /** The owner of every slot, undefined where the slot is free. */
  readonly slots: ReadonlyArray<Experiment | undefined>;
  readonly experiments: readonly Experiment[];
  /** Users who were put into a group by name. */
  readonly overrides: ReadonlyMap<string, Group>;
}

/** One version of the experiments file. */
export interface ExperimentSet {
  /** Hash of the text: which version of the file an answer came from. */
  readonly version: string;
  readonly names: AttributeNames;
  readonly layers: readonly Layer[];
  /** Users who are in nothing: monitoring, load generators. */
  readonly excluded: ReadonlySet<string>;
}

/** The file is wrong; the message has one `file:line:column: …` a line. */
export class ExperimentsError extends SyntaxError {
  override readonly name = "ExperimentsError";
  readonly problems: readonly string[];

  constructor(problems: readonly string[]) {
    super(problems.join("\n"));
    this.problems = problems;
  }
}

/** Compiles the text of an experiments file; `file` is how complaints call it. Throws {@link ExperimentsError}. */
export function parseExperiments(text: string, file: string): ExperimentSet {
  const source = new YamlSource(text, file);
  const set = source.failed
    ? undefined
    : new SetReader(source).read(seedOf(text).toString(16).padStart(8, "0"));
  if (!set || source.failed) throw new ExperimentsError(source.report());
  return set;
}

/** The seed of a salt: MurmurHash3 of its UTF-8 under seed 0. */
export function seedOf(salt: string): number {
  const key = new KeyBytes(salt.length);
  key.set(salt);
  return key.hash(0);
}

class SetReader {
  readonly #source: YamlSource;
  readonly #names = new AttributeNames();
  readonly #salts = new Set<string>();

  constructor(source: YamlSource) {
    this.#source = source;
  }

  read(version: string): ExperimentSet {
    const fields = this.#fields(this.#source.root, "the file", ["excluded", "layers"]);
    const layers = fields.layers ? this.#source.entries(fields.layers.value, "`layers`") : [];
    if (!fields.layers) this.#source.fail(this.#source.root, "the file needs `layers`");
    return {
      version,
      names: this.#names,
      excluded: new Set(fields.excluded ? this.#users(fields.excluded.value, "`excluded`") : []),
      layers: layers.map((entry) => this.#layer(entry)),
    };
  }

  #layer({ key: name, at, value }: Entry): Layer {
    const fields = this.#fields(value, `layer ${name}`, ["salt", "experiments"]);
    const salt = fields.salt ? this.#text(fields.salt, 256) : name;
    if (this.#salts.has(salt)) {
      this.#source.fail(at, `another layer has the salt ${salt}: the two would not be independent`);
    }
    this.#salts.add(salt);
    const slots = new Array<Experiment | undefined>(slotCount).fill(undefined);
    const overrides = new Map<string, Group>();
    if (!fields.experiments) this.#source.fail(at, `layer ${name} needs \`experiments\``);
    const entries = fields.experiments ? this.#source.entries(fields.experiments.value, "`experiments`") : [];
    const experiments = entries.map((entry) => {
      const experiment = this.#experiment(entry, name, salt);
      this.#occupy(entry.at, slots, experiment);
      for (const [user, group] of experiment.overrides) {
        if (overrides.has(user)) {
          this.#source.fail(entry.at, `user ${user} is overridden twice in layer ${name}`);
        }
        overrides.set(user, group);
      }
      return experiment;
    });
    return { name, seed: seedOf(salt), slots, experiments, overrides };
  }

  #experiment({ key: name, at, value }: Entry, layer: string, salt: string): Experiment {
    const known = ["about", "enabled", "share", "from", "when", "groups", "overrides"];
    const fields = this.#fields(value, `experiment ${name}`, known);
    const enabled = fields.enabled ? this.#source.scalar(fields.enabled.value) : true;
    if (typeof enabled !== "boolean") this.#source.fail(fields.enabled.value, "`enabled` is true or false");
    const groups = fields.groups ? this.#groups(fields.groups, layer, name) : [];
    if (!fields.groups) this.#source.fail(at, `experiment ${name} needs \`groups\``);
    return {
      name,
      about: fields.about ? this.#text(fields.about, 1000) : "",
      enabled: enabled === true,
      ranges: this.#ranges(at, name, fields.share, fields.from),
      when: fields.when ? compileCondition(this.#source, fields.when.value, this.#names) : undefined,
      // Its own seed: where a user stands in the layer says nothing about the group.
      seed: seedOf(`${salt}/${name}`),
      groups,
      overrides: fields.overrides ? this.#overrides(fields.overrides, name, groups) : new Map(),
    };
  }

  #ranges(at: Node, name: string, share?: Entry, from?: Entry): Array<[number, number]> {
    if (!share) {
      this.#source.fail(at, `experiment ${name} needs \`share\``);
      return [];
    }
    if (this.#source.isList(share.value)) {
      if (from) this.#source.fail(from.at, "`from` has no meaning beside a list of ranges");
      return this.#source.items(share.value, "`share`").map((item) => this.#range(item));
    }
    const begin = from ? this.#share(from.value) : 0;
    const end = begin + this.#share(share.value);
    if (end > slotCount) {
      this.#source.fail(share.value, `\`from\` and \`share\` reach ${end / 100}% of the layer`);
    }
    return [[begin, Math.min(end, slotCount)]];
  }

  #range(node: Node): [number, number] {
    const [, begin, end] = /^(\S+%) *\.\. *(\S+%)$/.exec(this.#source.text(node) ?? "") ?? [];
    const range: [number, number] = [slotsOf(begin) ?? 0, slotsOf(end) ?? 0];
    if (slotsOf(begin) === undefined || slotsOf(end) === undefined || range[0] >= range[1]) {
      this.#source.fail(node, "a range is written like 20%..35%");
    }
    return range;
  }

  #occupy(at: Node, slots: Array<Experiment | undefined>, experiment: Experiment): void {
    for (const [begin, end] of experiment.ranges) {
      for (let slot = begin; slot < end; slot++) {
        const owner = slots[slot];
        if (owner) {
          const taken = owner.ranges.map(([begin, end]) => `${begin / 100}%..${end / 100}%`).join(", ");
          this.#source.fail(
            at,
            `${experiment.name} overlaps ${owner.name}, which has ${taken}; set \`from\``,
          );
          return;
        }
        slots[slot] = experiment;
      }
    }
  }

  #groups(entry: Entry, layer: string, experiment: string): Group[] {
    let end = 0;
    const groups = this.#source.entries(entry.value, "`groups`").map(({ key: name, at, value }): Group => {
      const isMapping = this.#source.isMapping(value);
      const fields = isMapping ? this.#fields(value, `group ${name}`, ["share", "params"]) : {};
      if (isMapping && !fields.share) this.#source.fail(at, `group ${name} needs \`share\``);
      const share = isMapping ? fields.share?.value : value;
      const slots = share ? this.#share(share) : 0;
      end += slots;
      const params = fields.params ? this.#params(fields.params) : undefined;
      const json = JSON.stringify({ layer, experiment, group: name, params });
      return { name, slots, end, json, path: `${layer}/${experiment}/${name}` };
    });
    if (end !== slotCount) {
      this.#source.fail(entry.at, `the groups of ${experiment} add up to ${end / 100}%, not to 100%`);
    }
    return groups;
  }

  #params(entry: Entry): unknown {
    if (this.#source.isMapping(entry.value)) return this.#source.plain(entry.value);
    this.#source.fail(entry.value, "`params` must be a mapping");
    return undefined;
  }

  #overrides(entry: Entry, experiment: string, groups: Group[]): Map<string, Group> {
    const overrides = new Map<string, Group>();
    for (const { key, at, value } of this.#source.entries(entry.value, "`overrides`")) {
      const group = groups.find((group) => group.name === key);
      const users = this.#users(value, `\`overrides\` of ${key}`);
      if (!group) this.#source.fail(at, `experiment ${experiment} has no group ${key}`);
      for (const user of users) {
        if (overrides.has(user)) this.#source.fail(at, `user ${user} is overridden twice in ${experiment}`);
        if (group) overrides.set(user, group);
      }
    }
    return overrides;
  }

  #users(node: Node, what: string): string[] {
    return this.#source.items(node, what).map((item) => {
      const user = this.#source.text(item) ?? "";
      if (user === "" || user.length > maxUserChars) {
        this.#source.fail(item, `a user id has 1 to ${maxUserChars} characters`);
      }
      return user;
    });
  }

  #fields(node: Node | null, what: string, known: string[]): Record<string, Entry> {
    const fields: Record<string, Entry> = Object.create(null);
    for (const entry of this.#source.entries(node, what)) {
      if (known.includes(entry.key)) fields[entry.key] = entry;
      else {this.#source.fail(
          entry.at,
          `unknown key \`${entry.key}\` in ${what}; there are ${known.join(", ")}`,
        );}
    }
    return fields;
  }

  #text(entry: Entry, maxChars: number): string {
    const text = this.#source.text(entry.value);
    if (text === undefined || text.length > maxChars) {
      this.#source.fail(entry.value, `\`${entry.key}\` is a text of at most ${maxChars} characters`);
    }
    return text?.slice(0, maxChars) ?? "";
  }

  #share(node: Node): number {
    const text = this.#source.text(node) ?? "";
    const slots = slotsOf(text);
    if (slots !== undefined) return slots;
    const meant = /^\d+(\.\d+)?$/.test(text) ? `; did you mean \`${text}%\`?` : "";
    this.#source.fail(node, `a share is written from 0% to 100% in steps of 0.01%${meant}`);
    return 0;
  }
}

function slotsOf(share: string | undefined): number | undefined {
  if (share === undefined || !/^\d{1,3}(\.\d{1,2})?%$/.test(share)) return undefined;
  const slots = Math.round(Number(share.slice(0, -1)) * 100);
  return slots <= slotCount ? slots : undefined;
}
