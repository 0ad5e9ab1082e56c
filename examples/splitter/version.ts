/**
 * Versions in the way of semver, as applications really send them: `2.14`, `v2.14.0`, `2.14.0-beta.2+build7`. Missing
 * parts count as 0, a pre-release comes before its release, build data is ignored. What is no version equals nothing.
 */

/** -1, 0 or 1 as `left` is older than, the same as or newer than `right`; NaN when either is no version. */
export function compareVersions(left: string, right: string): number {
  if (!isVersion(left) || !isVersion(right)) return NaN;
  let l = start(left);
  let r = start(right);
  for (let part = 0; part < 16; part++) {
    let a = 0;
    let b = 0;
    for (; isDigit(left, l); l++) a = a * 10 + left.charCodeAt(l) - 48;
    for (; isDigit(right, r); r++) b = b * 10 + right.charCodeAt(r) - 48;
    if (a !== b) return a < b ? -1 : 1;
    if (left[l] === ".") l++;
    if (right[r] === ".") r++;
    if (!isDigit(left, l) && !isDigit(right, r)) break;
  }
  return comparePreReleases(preRelease(left), preRelease(right));
}

/** At most 64 characters: digits in 1 to 8 dotted parts of at most 15 digits, then `-…` and `+…`. */
export function isVersion(text: string): boolean {
  return text.length <= 64 && /^v?\d{1,15}(\.\d{1,15}){0,7}(-[0-9A-Za-z.-]+)?(\+[0-9A-Za-z.-]+)?$/.test(text);
}

function start(text: string): number {
  return text[0] === "v" ? 1 : 0;
}

function isDigit(text: string, at: number): boolean {
  const code = text.charCodeAt(at);
  return code >= 48 && code <= 57;
}

function preRelease(text: string): string {
  const plus = text.indexOf("+");
  const core = plus < 0 ? text : text.slice(0, plus);
  const dash = core.indexOf("-");
  return dash < 0 ? "" : core.slice(dash + 1);
}

function comparePreReleases(left: string, right: string): number {
  if (left === right) return 0;
  if (left === "") return 1;
  if (right === "") return -1;
  const a = left.split(".");
  const b = right.split(".");
  for (let i = 0; i < Math.min(a.length, b.length); i++) {
    if (a[i] === b[i]) continue;
    const aNumber = /^\d+$/.test(a[i]);
    const bNumber = /^\d+$/.test(b[i]);
    if (aNumber !== bNumber) return aNumber ? -1 : 1;
    if (!aNumber) return a[i] < b[i] ? -1 : 1;
    if (Number(a[i]) !== Number(b[i])) return Number(a[i]) < Number(b[i]) ? -1 : 1;
  }
  return Math.sign(a.length - b.length);
}
