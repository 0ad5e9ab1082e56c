/**
 * The six levels of a log line, as the manifest names them, and their numbers: higher is worse. `warn` is read as
 * `warning`, because code says the one and files say the other.
 */

/** Levels by rising weight; a level's number is its place here. */
export const levelNames = ["trace", "debug", "info", "warning", "error", "fatal"] as const;

/** A level as manifests and lines write it. */
export type LevelName = typeof levelNames[number];

export const traceLevel = 0;
export const debugLevel = 1;
export const infoLevel = 2;
export const warningLevel = 3;
export const errorLevel = 4;
export const fatalLevel = 5;

/** The number of level `name`. Throws RangeError for a name that is no level. */
export function levelNumber(name: string): number {
  const number = (levelNames as readonly string[]).indexOf(name === "warn" ? "warning" : name);
  if (number < 0) {
    throw new RangeError(`Cannot read the level "${name}": it is none of ${levelNames.join(", ")}`);
  }
  return number;
}
