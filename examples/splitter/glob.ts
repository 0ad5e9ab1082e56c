/**
 * Globs: `*` is any text, also none, `?` is one character, everything else is itself. Instead of regular expressions,
 * because a rule that somebody types in a hurry must not be able to stop the service: this takes at most pattern ×
 * text steps, whatever the two are.
 */

/** Whether the whole of `text` follows `pattern`. */
export function matchesGlob(pattern: string, text: string): boolean {
  let p = 0;
  let t = 0;
  let star = -1;
  let resume = 0;
  while (t < text.length) {
    // The star first: a `*` in the text is not what a `*` in the pattern stands for.
    if (pattern[p] === "*") {
      star = p++;
      resume = t;
    } else if (p < pattern.length && (pattern[p] === "?" || pattern[p] === text[t])) {
      p++;
      t++;
    } else if (star >= 0) {
      p = star + 1;
      t = ++resume;
    } else {
      return false;
    }
  }
  while (pattern[p] === "*") p++;
  return p === pattern.length;
}
