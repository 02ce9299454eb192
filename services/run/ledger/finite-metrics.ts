/** Metrics that are numbers, and the names of those that are NaN or infinite: JSON has no word for them, and means keep them forever. */
export function splitFinite(metrics: Readonly<Record<string, number>>): {
  readonly finite: Record<string, number>;
  /** In order. */
  readonly notFinite: readonly string[];
} {
  const finite: Record<string, number> = {};
  const notFinite: string[] = [];
  for (const [name, value] of Object.entries(metrics)) {
    if (Number.isFinite(value)) finite[name] = value;
    else notFinite.push(name);
  }
  return { finite, notFinite: notFinite.toSorted() };
}
