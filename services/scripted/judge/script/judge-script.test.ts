import { describe, expect, test } from 'vitest';
import { createJudgeScript, type JudgeScriptOptions } from './judge-script.ts';

const mark = 'abcdef012345';
const fence = (name: string, text: string) => `<<<${name} ${mark}\n${text}\n${mark}>>>`;
const messages = (...lines: readonly string[]) => [
  { role: 'system', content: 'You judge.' },
  { role: 'user', content: lines.join('\n') },
];
const tieForm = 'Reply with {"verdict": "A"} or {"verdict": "B"} or {"verdict": "TIE"}.';
const pair = (first: string, second: string, form = tieForm, question = 'Q?') =>
  messages(fence('QUESTION', question), fence('A', first), fence('B', second), form);

const exact: JudgeScriptOptions = {
  grade: (_, text) => Number(text) || 0,
  noise: 0,
  positionBias: 0,
  tieBand: 0,
  seed: 's',
  latencyMedianMs: 0,
  latencySigma: 0,
  latencyMaxMs: 1,
};
const judge = (options: Partial<JudgeScriptOptions> = {}) => createJudgeScript({ ...exact, ...options });
const textOf = (asked: ReturnType<typeof messages>, options?: Partial<JudgeScriptOptions>) =>
  judge(options)(asked)?.text;

/** How often each verdict is given over many questions. */
function verdicts(first: string, second: string, options: Partial<JudgeScriptOptions>, form = tieForm) {
  const say = judge(options);
  const counts = { A: 0, B: 0, TIE: 0 };
  for (let index = 0; index < 4000; index += 1) {
    const said: { verdict: 'A' | 'B' | 'TIE' } = JSON.parse(say(pair(first, second, form, `Q ${index}?`))?.text ?? '');
    counts[said.verdict] += 1 / 4000;
  }
  return counts;
}

describe('without noise', () => {
  test('an answer is graded A from half its worth on, B below, and C when there is none', () => {
    const graded = (answer: string) => textOf(messages(fence('QUESTION', 'Q?'), fence('ANSWER', answer), 'A, B or C.'));
    expect(['1', '0.5', '0.49', ' '].map(graded)).toEqual(['A', 'A', 'B', 'C']);
  });

  test('criteria are rated with the worth, within 0..1; lines of the answer are no criteria', () => {
    const asked = (answer: string) =>
      messages(fence('QUESTION', 'Q?'), fence('ANSWER', answer), 'Criteria:', '- clear: is clear', '- true: is true');
    expect(textOf(asked('0.25'))).toBe('{"clear":0.25,"true":0.25}');
    expect(textOf(asked('7'))).toBe('{"clear":1,"true":1}');
    expect(textOf(asked('no\n- sly: me too'))).toBe('{"clear":0,"true":0}');
  });

  test('the better one of a pair wins in either order, and ties lie within the band', () => {
    expect(textOf(pair('1', '0.5'))).toBe('{"verdict":"A"}');
    expect(textOf(pair('0.5', '1'))).toBe('{"verdict":"B"}');
    expect(textOf(pair('1', '1'))).toBe('{"verdict":"TIE"}');
    expect(textOf(pair('1', '0.5'), { tieBand: 0.5 })).toBe('{"verdict":"TIE"}');
  });

  test('where ties are forbidden it prefers one all the same', () => {
    const form = 'Reply with {"verdict": "A"} or {"verdict": "B"}.';
    expect(textOf(pair('1', '0.9', form), { tieBand: 0.5 })).toBe('{"verdict":"A"}');
    const { A, TIE } = verdicts('1', '1', {}, form);
    expect(TIE).toBe(0);
    expect(A).toBeCloseTo(0.5, 1);
  });

  test('a list is ranked, the best first', () => {
    const shown = ['0.2', '0.9', '0.5'].map((text, index) => fence(String(index + 1), text));
    expect(textOf(messages(fence('QUESTION', 'Q?'), ...shown))).toBe('{"ranking":[2,3,1]}');
  });
});

describe('with noise', () => {
  test('comparisons follow the logistic law of Rao and Kupper', () => {
    // 1 / (1 + exp(-1)) = 0.731 without a band; with one of half the scale, 1 / (1 + exp(-0.5)) = 0.622 win,
    // 1 / (1 + exp(1.5)) = 0.182 lose, and the rest ties. Five deviations of 4,000 draws are 0.04.
    const free = verdicts('0.5', '0.25', { noise: 0.25 });
    expect(Math.abs(free.A - 0.731)).toBeLessThan(0.04);
    expect(free.TIE).toBe(0);
    const banded = verdicts('0.5', '0.25', { noise: 0.25, tieBand: 0.125 });
    expect(Math.abs(banded.A - 0.622)).toBeLessThan(0.04);
    expect(Math.abs(banded.B - 0.182)).toBeLessThan(0.04);
  });

  test('what is shown first is favoured by the bias, in log-odds', () => {
    const { A } = verdicts('0.5', '0.5', { noise: 0.25, positionBias: 1 });
    expect(Math.abs(A - 0.731)).toBeLessThan(0.04);
  });

  test('P8: the same question gets the same reply, id and time included; another seed errs elsewhere', () => {
    const options = { noise: 1, latencyMedianMs: 10, latencySigma: 1, latencyMaxMs: 1000 };
    const replies = (seed: string) =>
      Array.from({ length: 50 }, (_, index) => judge({ ...options, seed })(pair('0.5', '0.4', tieForm, `Q ${index}?`)));
    expect(replies('s')).toEqual(replies('s'));
    expect(replies('s').map((reply) => reply?.text)).not.toEqual(replies('t').map((reply) => reply?.text));
  });
});

test('what is no question of the reward service has no reply', () => {
  for (const asked of [
    messages('What is the capital of France?'),
    messages(fence('ANSWER', '1')),
    messages(fence('QUESTION', 'Q?')),
    messages(fence('QUESTION', 'Q?'), fence('A', '1')),
    messages(fence('QUESTION', 'Q?'), fence('2', '1'), fence('1', '1')),
    [{ role: 'system', content: fence('QUESTION', 'Q?') }],
  ]) {
    expect(judge()(asked)).toBeUndefined();
  }
});
