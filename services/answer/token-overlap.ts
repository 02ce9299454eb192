/** How much two lists of tokens share; each within 0..1. */
export interface TokenOverlap {
  readonly precision: number;
  readonly recall: number;
  readonly f1: number;
}

const nothing: TokenOverlap = { precision: 0, recall: 0, f1: 0 };

/** Lists up to this length are compared pair by pair, which costs less than a table of counts. */
const fewTokens = 12;

/** Shared tokens, repeats counted as often as both sides have them. An empty side shares nothing. */
export function tokenOverlap(predicted: readonly string[], gold: readonly string[]): TokenOverlap {
  const common = gold.length <= fewTokens ? countFew(predicted, gold) : countMany(predicted, gold);
  if (common === 0) return nothing;
  const precision = common / predicted.length;
  const recall = common / gold.length;
  return { precision, recall, f1: (2 * precision * recall) / (precision + recall) };
}

function countFew(predicted: readonly string[], gold: readonly string[]): number {
  let common = 0;
  // A bit for each gold token that is taken.
  let taken = 0;
  const all = (1 << gold.length) - 1;
  for (const token of predicted) {
    if (taken === all) break;
    for (let at = 0; at < gold.length; at += 1) {
      if (gold[at] !== token || (taken & (1 << at)) !== 0) continue;
      taken |= 1 << at;
      common += 1;
      break;
    }
  }
  return common;
}

function countMany(predicted: readonly string[], gold: readonly string[]): number {
  const remaining = new Map<string, number>();
  for (const token of gold) remaining.set(token, (remaining.get(token) ?? 0) + 1);
  let common = 0;
  for (const token of predicted) {
    const left = remaining.get(token);
    if (left === undefined || left === 0) continue;
    remaining.set(token, left - 1);
    common += 1;
  }
  return common;
}

export function sameTokens(a: readonly string[], b: readonly string[]): boolean {
  if (a.length !== b.length) return false;
  for (let at = 0; at < a.length; at += 1) if (a[at] !== b[at]) return false;
  return true;
}
