/**
 * `${NAME}`, `${NAME:-default}` and `$${` in a scalar. Text goes in and text comes out: what a variable holds never
 * becomes structure, so an environment cannot add keys to a manifest.
 */

export interface Interpolated {
  text: string;
  /** Names that were read, each once. */
  variables: string[];
  /** Problems, each with its offset in the text that went in. */
  problems: { offset: number; length: number; message: string; missing?: string }[];
}

/** As in a shell, `:-` also stands in for a variable that is set but empty. */
export function interpolate(text: string, env: (name: string) => string | undefined): Interpolated {
  const variables = new Set<string>();
  const problems: Interpolated["problems"] = [];
  const result = text.replace(
    /\$\$\{|\$\{(?:([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\})?/g,
    (whole: string, name: string | undefined, fallback: string | undefined, offset: number) => {
      if (whole === "$${") return "${";
      if (name === undefined) {
        const message =
          "`${` must be followed by a name and `}`, as in `${NAME}` or `${NAME:-default}`; write `$${` for the two characters themselves";
        problems.push({ offset, length: 2, message });
        return whole;
      }
      variables.add(name);
      const value = env(name);
      if (fallback !== undefined) return value === undefined || value === "" ? fallback : value;
      if (value !== undefined) return value;
      const message =
        `the environment variable \`${name}\` is not set; set it or write \`\${${name}:-default}\``;
      problems.push({ offset, length: whole.length, message, missing: name });
      return whole;
    },
  );
  return { text: result, variables: [...variables], problems };
}

/** What plain YAML text stands for: the same words and numbers as if they had been written there. */
export function plainScalar(text: string): unknown {
  if (/^(?:true|True|TRUE)$/.test(text)) return true;
  if (/^(?:false|False|FALSE)$/.test(text)) return false;
  if (/^(?:~|null|Null|NULL)$/.test(text)) return null;
  if (/^[-+]?(?:0|[1-9][0-9]*|[0-9]+)$/.test(text)) return Number(text);
  if (/^[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?$/.test(text)) return Number(text);
  return text;
}
