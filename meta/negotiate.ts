/** Which form of a page a request wants. `?format=` decides; then Accept; curl and probes, which say nothing, get text. */

/** The forms of a page. */
export type PageFormat = "html" | "text" | "json";

const formats: readonly PageFormat[] = ["html", "text", "json"];

/** The form wanted by `?format=` and Accept; null when `?format=` names one that does not exist. */
export function negotiate(format: string | null, accept: string | null): PageFormat | null {
  if (format !== null) return formats.find((known) => known === format) ?? null;
  let best: PageFormat = "text";
  let bestQuality = 0;
  for (const part of (accept ?? "").split(",")) {
    const [type, ...parameters] = part.trim().toLowerCase().split(";");
    const quality = qualityOf(parameters);
    const form = formOf(type!.trim());
    if (form === null || quality <= bestQuality) continue;
    best = form;
    bestQuality = quality;
  }
  return best;
}

function formOf(type: string): PageFormat | null {
  if (type === "text/html" || type === "application/xhtml+xml") return "html";
  if (type === "application/json") return "json";
  return type === "text/plain" || type === "text/*" || type === "*/*" ? "text" : null;
}

function qualityOf(parameters: string[]): number {
  const found = parameters.map((parameter) => /^\s*q=([0-9.]+)\s*$/.exec(parameter)).find((match) => match);
  const quality = found ? Number(found[1]) : 1;
  return Number.isFinite(quality) ? Math.min(1, quality) : 0;
}
