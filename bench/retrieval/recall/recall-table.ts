import { cutoffs, type Measured } from './measure-recall.ts';
import type { QuestionSet } from './question-set.ts';
import { recallAt } from './recall-at.ts';

/** One row a setting, over all questions of the set. Figures in %. */
export function recallTable({ questions }: QuestionSet, measured: readonly Measured[]): string {
  const supports = questions.map(({ support }) => support);
  const header = ['setting', ...cutoffs.map((k) => `R@${k}`), ...cutoffs.map((k) => `all@${k}`)];
  const rows = measured.map(({ setting, rankings }) => {
    const figures = recallAt(rankings, supports, cutoffs);
    return [setting, ...figures.map(({ recall }) => percent(recall)), ...figures.map((at) => percent(at.allFound))];
  });
  return table(header, rows);
}

/** One row a setting and group of questions. */
export function recallTableByGroup({ questions }: QuestionSet, measured: readonly Measured[]): string {
  const groups = [...new Set(questions.map(({ group }) => group))].toSorted();
  const header = ['setting', 'questions', 'count', ...cutoffs.map((k) => `R@${k}`), ...cutoffs.map((k) => `all@${k}`)];
  const rows = measured.flatMap(({ setting, rankings }) =>
    groups.map((group) => {
      const members = questions.flatMap((question, at) => (question.group === group ? [at] : []));
      const figures = recallAt(
        members.map((at) => rankings[at] ?? []),
        members.map((at) => questions[at]?.support ?? []),
        cutoffs,
      );
      return [
        setting,
        group,
        String(members.length),
        ...figures.map(({ recall }) => percent(recall)),
        ...figures.map((at) => percent(at.allFound)),
      ];
    }),
  );
  return table(header, rows);
}

function percent(share: number): string {
  return (100 * share).toFixed(1);
}

function table(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  return [line(header), line(header.map(() => '---')), ...rows.map(line)].join('\n');
}
