/** What a metric over rows does, in words. Apart from the code of the metrics, so that help need not load it. */
export interface MetricHelp {
  readonly about: string;
  /** What it reads next to `id`, `prediction` and `answers`. */
  readonly reads: string;
  /** What it writes next to `id`. */
  readonly writes: string;
  readonly settings: readonly string[];
}

export const metricHelp = {
  musique: {
    about: 'MuSiQue: exact match and token F1, F1 of the supporting paragraphs',
    reads: 'predicted_supports, supports: [0, 7] (optional)',
    writes: 'exact_match, f1, support_exact_match, support_f1',
    settings: [],
  },
  squad: { about: 'SQuAD 1.1: exact match and token F1', reads: '', writes: 'exact_match, f1', settings: [] },
  hotpotqa: {
    about: 'HotpotQA: yes, no and noanswer as a whole; supporting facts; both together',
    reads: 'predicted_supports, supports: [["Title", 0]] (optional)',
    writes: 'exact_match, f1, precision, recall, support_*, joint_*',
    settings: [],
  },
  '2wiki': {
    about: 'as hotpotqa, with titles in lower case, and reasoning triples; gold names may be lists of aliases',
    reads: 'predicted_supports, supports, predicted_evidences, evidences: [["s", "r", ["o", "alias"]]] (optional)',
    writes: 'exact_match, f1, precision, recall, support_*, evidence_*, joint_* (all three together)',
    settings: [],
  },
  substring: {
    about: 'a gold answer occurs in the prediction after normalisation',
    reads: '',
    writes: 'substring',
    settings: ['whole_words', 'max_words'],
  },
  numeric: {
    about: 'the gold number, within a tolerance, in any unit of the same kind',
    reads: 'numbers may be JSON numbers',
    writes: 'numeric',
    settings: ['absolute_tolerance', 'relative_tolerance', 'unit'],
  },
  choice: { about: 'the gold option by letter or by text', reads: '', writes: 'choice', settings: ['options'] },
  date: {
    about: 'the gold date, to the precision that it has',
    reads: 'years may be JSON numbers',
    writes: 'date',
    settings: ['precision', 'day_first'],
  },
  iou: {
    about: 'intersection over union of two intervals',
    reads: 'intervals may be [start, end]',
    writes: 'iou',
    settings: ['threshold'],
  },
  set_f1: {
    about: 'F1 of two sets of names; each answer is an element',
    reads: 'a prediction may be a list, an answer a list of aliases',
    writes: 'exact_match, f1, precision, recall',
    settings: ['separator'],
  },
} as const satisfies Record<string, MetricHelp>;

export type RowMetricName = keyof typeof metricHelp;
export const rowMetricNames = Object.keys(metricHelp).filter((name): name is RowMetricName => name in metricHelp);

export function isRowMetric(name: string): name is RowMetricName {
  return Object.hasOwn(metricHelp, name);
}
