/** How well `given` keeps the order of `known`, -1..1; ties count as neither (Kendall's tau-b). Both need two values or more. */
export function kendall(known: readonly number[], given: readonly number[]): number {
  let agree = 0;
  let untiedKnown = 0;
  let untiedGiven = 0;
  known.forEach((own, a) => {
    for (let b = a + 1; b < known.length; b += 1) {
      const first = Math.sign(own - (known[b] ?? 0));
      const second = Math.sign((given[a] ?? 0) - (given[b] ?? 0));
      agree += first * second;
      untiedKnown += Math.abs(first);
      untiedGiven += Math.abs(second);
    }
  });
  return untiedGiven === 0 ? 0 : agree / Math.sqrt(untiedKnown * untiedGiven);
}

/** The correlation of ranks, tied ones sharing their mean (Spearman's rho). */
export function spearman(known: readonly number[], given: readonly number[]): number {
  const [a, b] = [ranksOf(known), ranksOf(given)];
  const mean = (a.length - 1) / 2;
  let product = 0;
  let squaresA = 0;
  let squaresB = 0;
  a.forEach((rank, index) => {
    const [da, db] = [rank - mean, (b[index] ?? 0) - mean];
    product += da * db;
    squaresA += da * da;
    squaresB += db * db;
  });
  return squaresB === 0 ? 0 : product / Math.sqrt(squaresA * squaresB);
}

function ranksOf(values: readonly number[]): number[] {
  return values.map((own) => {
    const below = values.filter((other) => other < own).length;
    const equal = values.filter((other) => other === own).length;
    return below + (equal - 1) / 2;
  });
}
