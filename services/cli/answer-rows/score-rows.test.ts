import { describe, expect, test } from 'vitest';
import { metricHelp, rowMetricNames } from '#answer/rows/metric-help.ts';
import { rowMetrics } from '#answer/rows/row-metrics.ts';
import { createRowScorer, type Line, type ScoreRowsOptions, type ScoreTally } from './score-rows.ts';

async function scored(
  rows: readonly unknown[],
  options: Partial<ScoreRowsOptions> = {},
): Promise<{ rows: unknown[]; tally: ScoreTally }> {
  const scorer = createRowScorer({
    metric: 'musique',
    settings: '',
    source: 'in.jsonl',
    onBadRow: 'stop',
    ...options,
  });
  async function* lines(): AsyncGenerator<Line> {
    for (const [at, row] of rows.entries()) {
      yield { text: typeof row === 'string' ? row : JSON.stringify(row), number: at + 1 };
    }
  }
  const out: unknown[] = [];
  for await (const line of scorer.scoreLines(lines())) out.push(JSON.parse(line));
  return { rows: out, tally: scorer.tally() };
}

const good = { id: 'a', prediction: 'the Paris', answers: ['Paris'] };

describe('rows of a file', () => {
  test('are scored one for one and in order, other fields left alone, blank lines passed over', async () => {
    const { rows, tally } = await scored([
      good,
      '',
      { ...good, id: 2, prediction: 'Paris France', question: 'Where?' },
      { id: 'c', prediction: null, answers: ['Rome'] },
      { id: 'd', answers: ['Rome'] },
    ]);
    expect(rows).toEqual([
      { id: 'a', exact_match: 1, f1: 1 },
      { id: 2, exact_match: 0, f1: 2 / 3 },
      { id: 'c', exact_match: 0, f1: 0 },
      { id: 'd', exact_match: 0, f1: 0 },
    ]);
    expect(tally).toMatchObject({ rows: 4, skipped: 0, withoutPrediction: 2 });
    expect(tally.columns.get('exact_match')).toEqual({ mean: 0.25, rows: 4 });
    expect(tally.columns.get('f1')?.mean).toBeCloseTo((1 + 2 / 3) / 4, 12);
  });

  test.each([
    ['musique', '{"id": ', /in\.jsonl:2: not valid JSON/],
    ['musique', [1], /in\.jsonl:2: row: expected object/],
    ['musique', { ...good, id: undefined }, /in\.jsonl:2: id: /],
    ['musique', { id: 'b', prediction: 'x' }, /in\.jsonl:2: answers: is missing/],
    ['musique', { ...good, answers: 'Paris' }, /in\.jsonl:2: answers: expected array/],
    ['musique', { ...good, answers: [] }, /in\.jsonl:2: answers: is empty; give the gold answer/],
    ['musique', { ...good, answers: ['Paris', 7] }, /in\.jsonl:2: answers\.1: expected string/],
    ['musique', { ...good, prediction: 7 }, /in\.jsonl:2: prediction: expected string/],
    ['squad', { ...good, answers: ['The.'] }, /in\.jsonl:2: answers\[0\]: "The\." normalises to nothing/],
    ['hotpotqa', { ...good, supports: [['A']] }, /in\.jsonl:2: supports\.0/],
    ['numeric', { ...good, answers: ['3 or 4'] }, /in\.jsonl:2: answers\[0\]: "3 or 4" is not a single number/],
    ['date', { ...good, answers: ['05/03/1990'] }, /in\.jsonl:2: answers\[0\]: .*set day_first/],
    ['iou', { ...good, answers: [[9, 3]] }, /in\.jsonl:2: answers\[0\]: "9 - 3" is not an interval/],
    ['choice', { ...good, answers: [' '] }, /in\.jsonl:2: answers\[0\]: " " is blank/],
  ])('by %s: %j is named by file, line and field, and skipped only when asked', async (metric, row, message) => {
    const sound = { id: 'a', prediction: '1990', answers: ['1990'] };
    const first = metric === 'iou' ? { ...sound, answers: ['1 - 2'] } : sound;
    await expect(scored([first, row], { metric })).rejects.toThrow(message);
    const { rows, tally } = await scored([first, row, first], { metric, onBadRow: 'skip' });
    expect(rows).toHaveLength(2);
    expect(tally).toMatchObject({ rows: 2, skipped: 1 });
    expect(tally.firstSkipped).toMatch(message);
  });

  test('a file without a row that can be scored is an error', async () => {
    await expect(scored([])).rejects.toThrow(/in\.jsonl: holds no row/);
    await expect(scored(['{'], { onBadRow: 'skip' })).rejects.toThrow(/no row could be scored; the first: in\.jsonl:1/);
  });

  test('a megabyte of answer scores like any other', async () => {
    const { rows } = await scored([{ ...good, prediction: 'Paris '.repeat(170_000) }]);
    expect(rows).toMatchObject([{ exact_match: 0 }]);
  });
});

describe('the metrics', () => {
  const facts = {
    supports: [
      ['A', 0],
      ['B', 1],
    ],
    predicted_supports: [
      ['a', 0],
      ['B', 1],
      ['B', 1],
    ],
  };

  test('HotpotQA joins answer and supporting facts', async () => {
    const { rows } = await scored([{ ...good, ...facts, prediction: 'Paris France' }], { metric: 'hotpotqa' });
    // Answer: precision 1/2, recall 1. Facts: 1 of 2 said, 1 of 2 wanted. Joint: 1/4 and 1/2.
    expect(rows).toEqual([
      {
        id: 'a',
        exact_match: 0,
        f1: 2 / 3,
        precision: 0.5,
        recall: 1,
        support_exact_match: 0,
        support_f1: 0.5,
        support_precision: 0.5,
        support_recall: 0.5,
        joint_exact_match: 0,
        joint_f1: 1 / 3,
        joint_precision: 0.25,
        joint_recall: 0.5,
      },
    ]);
  });

  test('2Wiki takes titles in lower case, and triples by their plain words', async () => {
    const triples = {
      evidences: [['A. B', 'born in', ['D', 'C']]],
      predicted_evidences: [['a  b', 'Born In', 'c!']],
    };
    const { rows } = await scored([{ ...good, ...facts, ...triples }], { metric: '2wiki' });
    expect(rows).toMatchObject([
      {
        exact_match: 1,
        support_exact_match: 1,
        evidence_exact_match: 1,
        evidence_f1: 1,
        joint_exact_match: 1,
        joint_f1: 1,
      },
    ]);
    const half = await scored([{ ...good, ...facts, evidences: triples.evidences }], { metric: '2wiki' });
    expect(half.rows).toMatchObject([{ support_exact_match: 1, evidence_exact_match: 0, evidence_f1: 0, joint_f1: 0 }]);
  });

  test('MuSiQue scores paragraphs by number, and nothing wanted and nothing said is right', async () => {
    const of = async (supports: number[], predicted: number[]) =>
      (await scored([{ ...good, supports, predicted_supports: predicted }])).rows;
    expect(await of([1, 2], [2, 3])).toMatchObject([{ support_exact_match: 0, support_f1: 0.5 }]);
    expect(await of([], [])).toMatchObject([{ support_exact_match: 1, support_f1: 1 }]);
  });

  test.each([
    ['substring', '', { prediction: 'in Paris', answers: ['Paris'] }, { substring: 1 }],
    ['substring', '{"max_words": 1}', { prediction: 'in Paris', answers: ['Paris'] }, { substring: 0 }],
    ['numeric', '', { prediction: 12, answers: [12, 'x'].slice(0, 1) }, { numeric: 1 }],
    ['numeric', '{"relative_tolerance": 0.1}', { prediction: '1,050', answers: [1000] }, { numeric: 1 }],
    ['choice', '', { prediction: '(A)', answers: ['A'] }, { choice: 1 }],
    ['date', '', { prediction: '5 March 1990', answers: [1990] }, { date: 1 }],
    ['date', '{"day_first": true}', { prediction: '5 March 1990', answers: ['05/03/1990'] }, { date: 1 }],
    ['iou', '', { prediction: [0, 10], answers: ['5 - 15'] }, { iou: 1 / 3 }],
    ['iou', '{"threshold": 0.5}', { prediction: [0, 10], answers: [[5, 15]] }, { iou: 0 }],
    [
      'set_f1',
      '',
      { prediction: ['b', 'x'], answers: ['B', ['X', 'Y']] },
      { exact_match: 1, f1: 1, precision: 1, recall: 1 },
    ],
  ])('%s with %s', async (metric, settings, row, expected) => {
    expect((await scored([{ id: 'a', ...row }], { metric, settings })).rows).toEqual([{ id: 'a', ...expected }]);
  });

  test('every metric gives a missing prediction 0 in each column', async () => {
    for (const metric of rowMetricNames) {
      const answers = metric === 'iou' ? ['1 - 2'] : ['1990'];
      const { rows } = await scored([{ id: 'a', answers }], { metric });
      expect(Object.values({ ...(rows[0] as object), id: 0 }), metric).toEqual(
        Object.keys(rows[0] as object).map(() => 0),
      );
    }
  });

  test('help names their settings', () => {
    for (const name of rowMetricNames) expect(rowMetrics[name].settings).toEqual(metricHelp[name].settings);
  });

  test.each([
    [{ metric: 'hotpot' }, /there is no metric 'hotpot'; did you mean hotpotqa\?/],
    [{ metric: 'rouge' }, /metrics: musique, squad/],
    [{ settings: '{' }, /--settings: not JSON/],
    [{ settings: '{"k": 1}' }, /--settings: unknown key k; musique has none/],
    [{ metric: 'iou', settings: '{"threshold": 2}' }, /--settings: threshold: .*<=1; iou has threshold/],
  ])('%j is refused with what there is', async (options, message) => {
    await expect(scored([good], options)).rejects.toThrow(message);
  });
});
