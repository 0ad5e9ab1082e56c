/** A history as a small drawing: inline SVG without script or style, 1 px a second, scaled to its largest value. */

const height = 18;

/** The drawing of `values`, oldest first; a dash when there is nothing yet. */
export function renderSpark(values: readonly number[]): string {
  if (values.length < 2) return "–";
  const top = Math.max(0, ...values) || 1;
  const step = Math.max(1, Math.floor(120 / values.length));
  const points = values.map((value, i) => {
    const y = height - 1 - Math.max(0, value) / top * (height - 3);
    return `${i * step},${Number(y.toFixed(1))}`;
  });
  const width = (values.length - 1) * step;
  return `<svg class="spark" width="${width + 2}" height="${height}" viewBox="0 0 ${
    width + 2
  } ${height}" role="img" ` +
    `aria-label="history, at most ${Number(top.toPrecision(3))}"><polygon points="0,${height} ${
      points.join(" ")
    } ` +
    `${width},${height}"/><polyline points="${points.join(" ")}"/></svg>`;
}
