/** Two evaluations of the same rows, for people. */
export function pairedText(paired: {
  readonly against: string;
  readonly better: number;
  readonly worse: number;
  readonly p: number;
}): string {
  const { against, better, worse, p } = paired;
  return `next to ${against}, row by row: ${better} better, ${worse} worse, p ${p < 0.001 ? p.toExponential(1) : p.toFixed(3)} (exact sign test)`;
}
