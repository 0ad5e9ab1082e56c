/** The two pieces of Markdown that generated pages are made of. */

/** `text` as code; safe in a cell. */
export function code(text: string): string {
  return "`" + text + "`";
}

/** A table; cells may hold anything but line breaks. */
export function table(heads: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) =>
    `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |\n`;
  return line(heads) + line(heads.map(() => "---")) + rows.map(line).join("");
}
