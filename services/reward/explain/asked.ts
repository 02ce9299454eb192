import type { JudgedComponent } from '#proto/rollout/v1/judged_pb.ts';
import { scorerNames } from '#rewards/scorer-catalogue.ts';
import { quote } from './explained.ts';

const builtIn: ReadonlySet<string> = new Set(scorerNames);

/** Whether a component comes from a scorer of the config, which is not asked again. */
export function isCustom(name: string): boolean {
  return !builtIn.has(name);
}

/** What a judge was asked for; the number itself is in the score. */
export function explainJudged({ judge, method }: JudgedComponent): string[] {
  switch (method.case) {
    case 'grade':
      return [
        `judge ${judge} grades the answer: correct 1, incorrect 0, not attempted ${method.value.notAttempted}`,
        'without a prediction it is not attempted, and the judge is not asked',
      ];
    case 'rubric': {
      const { criteria } = method.value;
      return [
        `judge ${judge} rates each criterion within 0..1; their weighted mean counts`,
        ...criteria.map(({ name, weight, description }) => `${name}, weight ${weight}: ${quote(description)}`),
        'without a prediction it is 0, and the judge is not asked',
      ];
    }
    case undefined:
      return [];
  }
}

export function explainCustom(settingsJson: string): string[] {
  return [`a scorer of the service's config${settingsJson === '' ? '' : `, with ${quote(settingsJson)}`}`];
}
