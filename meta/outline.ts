/** Plain data as an indented outline, the way manifests look. For reading only; nothing parses it back. */

/** The outline of `value`, without a line feed at its end. */
export function outline(value: unknown): string {
  return lines(value, 0).join("\n");
}

function lines(value: unknown, depth: number): string[] {
  const pad = "  ".repeat(depth);
  if (!isNested(value)) return [pad + scalar(value)];
  if (Array.isArray(value)) {
    return value.flatMap((item) => {
      const [first, ...rest] = lines(item, depth + 1);
      return [`${pad}- ${first!.trimStart()}`, ...rest];
    });
  }
  return Object.entries(value).flatMap(([key, item]) =>
    isNested(item) ? [`${pad}${key}:`, ...lines(item, depth + 1)] : [`${pad}${key}: ${scalar(item)}`]
  );
}

function isNested(value: unknown): value is object {
  return typeof value === "object" && value !== null && Object.keys(value).length > 0;
}

function scalar(value: unknown): string {
  const plain = typeof value === "string" && /^[A-Za-z./_[][^\n#"']*$/.test(value) && !value.endsWith(" ") &&
    !/: |^(true|false|null|yes|no)$/.test(value);
  return plain ? value : JSON.stringify(value) ?? "null";
}
