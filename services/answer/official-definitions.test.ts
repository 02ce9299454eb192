import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { describe, expect, test } from 'vitest';
import { answerScores, squadScores } from './answer-scores.ts';
import { hotpotqaScores } from './hotpotqa-scores.ts';
import { normalizeAnswer } from './normalize-answer.ts';
import { jointScores, musiqueSupportScores, supportKey, supportScores } from './support-scores.ts';

const python = join(import.meta.dirname, '../../.venv/bin/python');
const reference = join(import.meta.dirname, 'reference_metrics.py');

/** Words in which implementations differ: articles, punctuation, quotes, numbers, closed answers, marks, and other scripts. */
const words = [
  ['the', 'The', 'a', 'an', 'A.', 'theatre', 'another', 'a_b', 'the_', "a's", 'AN'],
  ['yes', 'no', 'noanswer', 'Yes.', 'NO!', 'none', 'Not'],
  ['twenty-one', 'twenty', 'one', '1,000', '1000', '3.5', '$5', '50%', '1990', '-1'],
  ['“the”', '“Paris”', '‘a’', '–', '—', 'the—a', '…', '«an»', 'a·b'],
  ['École', 'ÉCOLE', 'aé', 'éa', 'e\u0301a', 'a\u0301', 'the\u0301', 'İstanbul', 'ΑΣ', 'ΣΑΣ', 'ß', 'ſ', 'K'],
  ['中', '中a', 'a中', '東京', '²', 'a²', '½a', 'ⅷ', '٣a', 'aª', '😀a', 'a😀', 'a\u200bb', 'the\u00ad'],
  ['x\u0000a', 'a\u0001', 'a\u007fthe', 'U.S.A.', 'red', 'Red!', 'blue', 'green', 'London', 'New', 'York'],
].flat();
const gaps = [' ', ' ', ' ', '  ', '\t', '\n', '\u3000', '\u00a0', '\u0085', '\u001c', '', '-', ', '];

/** A small generator with a seed, so that a failure can be had again. */
function createDraw(seed: number): (count: number) => number {
  let state = seed;
  return (count) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * count);
  };
}

function pairsOf(count: number, seed: number): [string, string][] {
  const draw = createDraw(seed);
  const pick = (from: readonly string[]): string => from[draw(from.length)] ?? '';
  const text = (most: number): string =>
    Array.from({ length: draw(most + 1) }, () => pick(words) + pick(gaps)).join('');
  return Array.from({ length: count }, () => {
    const gold = text(5);
    switch (draw(4)) {
      case 0:
        return [text(5), gold];
      case 1:
        return [`${text(1)}${gold}`, gold];
      case 2:
        return [gold.toUpperCase(), gold];
      default:
        return [gold.split(' ').reverse().join(' ') + text(2), gold];
    }
  });
}

async function referenceOf(rows: readonly (readonly unknown[])[]): Promise<unknown[]> {
  const child = spawn(python, ['-X', 'utf8', reference], { stdio: ['pipe', 'pipe', 'inherit'] });
  const answers: unknown[] = [];
  const reading = (async () => {
    for await (const line of createInterface({ input: child.stdout })) answers.push(JSON.parse(line));
  })();
  function* lines(): Generator<string> {
    for (let at = 0; at < rows.length; at += 1000) {
      yield rows
        .slice(at, at + 1000)
        .map((row) => `${JSON.stringify(row)}\n`)
        .join('');
    }
  }
  await pipeline(Readable.from(lines()), child.stdin);
  await reading;
  return answers;
}

/** What is the same up to the last digits of a double has the same text. */
function rounded(row: unknown): string {
  return JSON.stringify(row, (_key, value: unknown) =>
    typeof value === 'number' ? Math.round(value * 1e12) / 1e12 : value,
  );
}

describe.skipIf(!existsSync(python))('the official definitions (skipped where .venv is absent)', () => {
  test('agree with ours on 100,000 generated pairs: normaliser, exact match, and the F1 of MuSiQue, SQuAD and HotpotQA', async () => {
    const pairs = pairsOf(100_000, 20_250_101);
    const expected = await referenceOf(pairs);
    expect(expected).toHaveLength(pairs.length);
    const different: unknown[] = [];
    let matches = 0;
    let partial = 0;
    for (const [at, [prediction, gold]] of pairs.entries()) {
      const { exactMatch, f1 } = answerScores(prediction, [gold]);
      const squad = squadScores(prediction, [gold]);
      const hotpot = hotpotqaScores(prediction, [gold]);
      if (squad.exactMatch !== exactMatch || hotpot.exactMatch !== exactMatch)
        different.push([prediction, gold, 'exactMatch']);
      const ours = [normalizeAnswer(prediction), exactMatch, f1, squad.f1, hotpot.f1, hotpot.prec, hotpot.recall];
      const theirs = expected[at];
      if (rounded(ours) !== rounded(theirs)) different.push([prediction, gold, ours, theirs]);
      matches += exactMatch;
      if (f1 > 0 && f1 < 1) partial += 1;
    }
    expect(different.slice(0, 5)).toEqual([]);
    // The pairs are no trivial ones.
    expect(matches).toBeGreaterThan(10_000);
    expect(partial).toBeGreaterThan(20_000);
  });

  test('agree with ours on the supporting facts of 20,000 generated rows, alone and together with the answer', async () => {
    const draw = createDraw(7);
    const facts = (): [string, number][] =>
      Array.from({ length: draw(5) }, () => [['A', 'a', 'B', 'C'][draw(4)] ?? '', draw(3)]);
    const rows = pairsOf(20_000, 11).map(([prediction, gold]) => [prediction, gold, facts(), facts()] as const);
    const expected = await referenceOf(rows);
    const different: unknown[] = [];
    for (const [at, [prediction, gold, said, wanted]] of rows.entries()) {
      const keys = (list: readonly (readonly [string, number])[]) =>
        list.map(([title, line]) => supportKey(title, line));
      const support = supportScores(keys(said), keys(wanted));
      const joint = jointScores([hotpotqaScores(prediction, [gold]), support]);
      const ours = [support, joint].flatMap(({ exactMatch, f1, prec, recall }) => [exactMatch, f1, prec, recall]);
      ours.push(musiqueSupportScores(keys(said), keys(wanted)).f1);
      if (rounded(ours) !== rounded(expected[at])) different.push([rows[at], ours, expected[at]]);
    }
    expect(different.slice(0, 5)).toEqual([]);
  });
});
