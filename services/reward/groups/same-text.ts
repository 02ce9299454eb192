/** What is shown to nobody twice: texts that differ in white space only are the same. */
export function textKey(text: string): string {
  return text.trim().replace(/\s+/gu, ' ');
}

/** How `a` fares against `b` without a judge: identical texts tie, no answer loses; undefined when a judge has to say. */
export function shareByRule(a: string | undefined, b: string | undefined): number | undefined {
  if (a === undefined || b === undefined) return a === b ? 0.5 : Number(a !== undefined);
  return textKey(a) === textKey(b) ? 0.5 : undefined;
}
