import { type Estimate, estimateOf, ratioEstimateOf } from '../kit/estimate.ts';

/** A row's samples that a judge graded, as shares of them. */
interface GradedRow {
  readonly correct: number;
  readonly incorrect: number;
  readonly notAttempted: number;
}

/**
 * What SimpleQA reports of a judge's three grades (arXiv 2411.04368, section 2): the shares of each, how many of the attempted answers are
 * correct, and F1, the harmonic mean of that and of the share of correct ones. `rows`: the grades of each row's samples; what was not graded is
 * in none (P2). `f1` = 2c / (1 + c + i) with the shares c and i. What no row has is not there.
 */
export function gradeMetrics(
  rows: readonly (readonly string[])[],
  seed: readonly (string | number)[],
): Readonly<Record<string, Estimate>> {
  const graded = rows.flatMap((grades) => sharesOf(grades) ?? []);
  const estimates = {
    correct: estimateOf(
      graded.map(({ correct }) => correct),
      [...seed, 'correct'],
    ),
    incorrect: estimateOf(
      graded.map(({ incorrect }) => incorrect),
      [...seed, 'incorrect'],
    ),
    not_attempted: estimateOf(
      graded.map(({ notAttempted }) => notAttempted),
      [...seed, 'not_attempted'],
    ),
    correct_given_attempted: ratioEstimateOf(
      graded.map(({ correct, incorrect }) => [correct, correct + incorrect]),
      [...seed, 'correct_given_attempted'],
    ),
    f1: ratioEstimateOf(
      graded.map(({ correct, incorrect }) => [2 * correct, 1 + correct + incorrect]),
      [...seed, 'f1'],
    ),
  };
  return Object.fromEntries(
    Object.entries(estimates).flatMap(([name, estimate]) => (estimate === undefined ? [] : [[name, estimate]])),
  );
}

function sharesOf(grades: readonly string[]): GradedRow | undefined {
  if (grades.length === 0) return undefined;
  const share = (grade: string): number => grades.filter((one) => one === grade).length / grades.length;
  return { correct: share('correct'), incorrect: share('incorrect'), notAttempted: share('not_attempted') };
}
