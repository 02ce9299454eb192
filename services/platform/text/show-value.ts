/** Values that came from outside, as messages quote them: never longer than a line, whatever their size. */

const usualCharacters = 80;

/** The beginning of a text that may be of any length; one that is cut ends in `...`. */
export function shortText(text: string, most = usualCharacters): string {
  if (text.length <= most) return text;
  const head = text.slice(0, most - 3);
  return `${/[\ud800-\udbff]$/.test(head.slice(-1)) ? head.slice(0, -1) : head}...`;
}

/** Both ends of a text that may be of any length: how it begins says what it is about, how it ends what went wrong. */
export function bothEnds(text: string, most: number): string {
  if (text.length <= most) return text;
  const head = shortText(text, Math.floor(most / 3));
  const tail = text.slice(text.length - (most - head.length));
  return `${head}${/^[\udc00-\udfff]/.test(tail) ? tail.slice(1) : tail}`;
}

/** A value as JSON, cut; only as much of it is read as is shown. */
export function showValue(value: unknown, most = usualCharacters): string {
  return shortText(JSON.stringify(outlineOf(value, { left: most })) ?? String(value), most);
}

/** The first of what may be many problems, and how many more there are. */
export function firstOf(problems: readonly string[], most = 20): readonly string[] {
  if (problems.length <= most) return problems;
  return [...problems.slice(0, most), `and ${(problems.length - most).toLocaleString('en')} more`];
}

/** A copy with as many entries as `budget` has left, and with strings cut to what is left of it. */
function outlineOf(value: unknown, budget: { left: number }): unknown {
  budget.left -= 1;
  if (typeof value === 'bigint' || typeof value === 'symbol' || typeof value === 'function') return String(value);
  // JSON has no such numbers, and would say null.
  if (typeof value === 'number' && !Number.isFinite(value)) return String(value);
  if (typeof value === 'string') {
    // One character more than fits, so that the cut shows.
    const shown = value.slice(0, Math.max(0, budget.left) + 2);
    budget.left -= shown.length;
    return shown;
  }
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) {
    const items: unknown[] = [];
    for (let at = 0; at < value.length && budget.left > 0; at += 1) items.push(outlineOf(value[at], budget));
    return items;
  }
  const entries: [string, unknown][] = [];
  for (const [key, child] of Object.entries(value)) {
    if (budget.left <= 0) break;
    entries.push([shortText(key, Math.max(4, budget.left)), outlineOf(child, budget)]);
    budget.left -= Math.min(key.length, budget.left);
  }
  return Object.fromEntries(entries);
}
