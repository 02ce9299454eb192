/** Operators of web searches that leave pages out, and phrases that have to stand as they are. */
const operators = /(?:^|\s)(?:(?:site|before|after|filetype|inurl|intitle):\S+|-\w+|"[^"]+")/g;
/** A year, or a span of years. */
const years = /\b(?:1[0-9]{3}|20[0-9]{2})(?:\s*[-–]\s*(?:1[0-9]{3}|20[0-9]{2}))?\b/g;

export interface Filtered {
  /** Those that the question does not say itself. */
  readonly filters: readonly string[];
  /** The query without them. */
  readonly bare: string;
}

/**
 * What of a query only narrows it: years, operators and quoted phrases that the question does not hold. Jan-nano's paper finds that a model which
 * thinks too much adds a year and so excludes the right page. Pure.
 */
export function filtersOf(query: string, question: string): Filtered {
  const said = question.toLowerCase();
  const filters: string[] = [];
  const take = (match: string): string => {
    const filter = match.trim();
    if (said.includes(filter.toLowerCase().replaceAll('"', ''))) return match;
    filters.push(filter);
    return ' ';
  };
  const bare = query.replace(operators, take).replace(years, take).replaceAll(/\s+/g, ' ').trim();
  return { filters, bare };
}
