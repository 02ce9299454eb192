import type { PairOutcome } from './pair-schedule.ts';

/**
 * Games that every member plays, in thought, half won and half lost, against an opponent of strength 0. It keeps the
 * strength of a member that won (or lost) everything finite, ties those that never met through others to one scale, and
 * is small against one real comparison.
 */
const priorGames = 0.2;

const maxSteps = 100;
const tolerance = 1e-10;

/**
 * Strengths s with P(a beats b) = 1 / (1 + exp(s_b - s_a)), fitted to all outcomes by Newton's method on the
 * log-posterior, which is concave with a unique maximum. A tie is half a win on both sides. Outcomes without a share
 * are left out. (Bradley and Terry, 1952.)
 */
export function fitStrengths(count: number, outcomes: readonly PairOutcome[]): Float64Array {
  const games = new Float64Array(count * count);
  const points = new Float64Array(count);
  for (const { pair, share } of outcomes) {
    if (share === undefined) continue;
    const [a, b] = pair;
    add(games, a * count + b, 1);
    add(games, b * count + a, 1);
    add(points, a, share);
    add(points, b, 1 - share);
  }

  let strengths = new Float64Array(count);
  let value = logPosterior(strengths, games, points);
  for (let step = 0; step < maxSteps; step += 1) {
    const { gradient, curvature } = derivatives(strengths, games, points);
    const move = solve(curvature, gradient);
    // Halve the step until it climbs: far from the maximum a full one may overshoot.
    let scale = 1;
    let next = moved(strengths, move, scale);
    let nextValue = logPosterior(next, games, points);
    while (nextValue < value && scale > 1e-6) {
      scale /= 2;
      next = moved(strengths, move, scale);
      nextValue = logPosterior(next, games, points);
    }
    const largest = scale * Math.max(...move.map(Math.abs));
    strengths = next;
    value = nextValue;
    if (largest < tolerance) break;
  }
  return strengths;
}

/** The probability to beat another member taken at random: 0..1, and the mean over all members is 1/2, as of win rates. */
export function expectedWinRates(strengths: Float64Array): Float64Array {
  return strengths.map((own, index) => {
    let sum = 0;
    strengths.forEach((other, rival) => {
      if (rival !== index) sum += logistic(own - other);
    });
    return sum / (strengths.length - 1);
  });
}

function logistic(x: number): number {
  return 1 / (1 + Math.exp(-x));
}

/** log(logistic(x)) without overflow. */
function logLogistic(x: number): number {
  return x < 0 ? x - Math.log1p(Math.exp(x)) : -Math.log1p(Math.exp(-x));
}

function logPosterior(strengths: Float64Array, games: Float64Array, points: Float64Array): number {
  const count = strengths.length;
  let sum = 0;
  for (let a = 0; a < count; a += 1) {
    const own = at(strengths, a);
    sum += (priorGames / 2) * (logLogistic(own) + logLogistic(-own));
    // points x s - games x log(e^sa + e^sb), written so that nothing overflows.
    sum += at(points, a) * own;
    for (let b = a + 1; b < count; b += 1) {
      const played = at(games, a * count + b);
      if (played > 0) sum -= played * (at(strengths, b) - logLogistic(at(strengths, b) - own));
    }
  }
  return sum;
}

/** Gradient, and the negative second derivatives: symmetric and positive definite thanks to the prior. */
function derivatives(strengths: Float64Array, games: Float64Array, points: Float64Array) {
  const count = strengths.length;
  const gradient = new Float64Array(count);
  const curvature = new Float64Array(count * count);
  for (let a = 0; a < count; a += 1) {
    const alone = logistic(at(strengths, a));
    add(gradient, a, at(points, a) + priorGames * (0.5 - alone));
    add(curvature, a * count + a, priorGames * alone * (1 - alone));
    for (let b = 0; b < count; b += 1) {
      const played = at(games, a * count + b);
      if (played === 0) continue;
      const chance = logistic(at(strengths, a) - at(strengths, b));
      add(gradient, a, -played * chance);
      const bend = played * chance * (1 - chance);
      add(curvature, a * count + a, bend);
      add(curvature, a * count + b, -bend);
    }
  }
  return { gradient, curvature };
}

/** Solves A x = b for a symmetric positive definite A by elimination; both are used up. */
function solve(matrix: Float64Array, vector: Float64Array): Float64Array {
  const count = vector.length;
  for (let column = 0; column < count; column += 1) {
    const pivot = at(matrix, column * count + column);
    for (let row = column + 1; row < count; row += 1) {
      const factor = at(matrix, row * count + column) / pivot;
      if (factor === 0) continue;
      for (let k = column; k < count; k += 1) add(matrix, row * count + k, -factor * at(matrix, column * count + k));
      add(vector, row, -factor * at(vector, column));
    }
  }
  for (let row = count - 1; row >= 0; row -= 1) {
    let rest = at(vector, row);
    for (let k = row + 1; k < count; k += 1) rest -= at(matrix, row * count + k) * at(vector, k);
    vector[row] = rest / at(matrix, row * count + row);
  }
  return vector;
}

function moved(from: Float64Array, by: Float64Array, scale: number): Float64Array<ArrayBuffer> {
  return Float64Array.from(from, (value, index) => value + scale * at(by, index));
}

/** In range by construction. */
function at(values: Float64Array, index: number): number {
  return values[index] ?? 0;
}

function add(values: Float64Array, index: number, amount: number): void {
  values[index] = at(values, index) + amount;
}
