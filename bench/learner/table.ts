import { z } from 'zod';

const measured = z.object({
  secondsMedian: z.number(),
  processorSecondsMedian: z.number(),
  peakMebibytes: z.number(),
  beforeTheStepMebibytes: z.number(),
});

/** What bench/learner.py prints, as far as the page has it. */
export const learnerResults = z.object({
  steps: z.array(measured.extend({ name: z.string(), load: z.number() })),
  families: z.array(z.object({ family: z.string(), rope: z.string(), distance: z.number(), largest: z.number() })),
});
type LearnerResults = z.infer<typeof learnerResults>;
type Table = readonly (readonly (string | number)[])[];

/** One step in each way of making it. Pure, as `familyTable`. */
export function learnerStepTable({ steps }: LearnerResults): Table {
  return [
    [
      'a step of 40,960 tokens',
      'peak, MiB',
      'of which before the step',
      'processor time, s',
      'elapsed, s',
      'load then',
    ],
    ...steps.map((step) => [
      step.name,
      step.peakMebibytes,
      step.beforeTheStepMebibytes,
      step.processorSecondsMedian.toFixed(1),
      step.secondsMedian.toFixed(0),
      step.load.toFixed(1),
    ]),
  ];
}

/** Largest distance of a logit, by family and rotary embedding. */
export function familyTable({ families }: LearnerResults): Table {
  const ropes = [...new Set(families.map(({ rope }) => rope))];
  const distanceOf = (family: string, rope: string): string =>
    families.find((each) => each.family === family && each.rope === rope)?.distance.toExponential(1) ?? '-';
  const names = [...new Set(families.map(({ family }) => family))];
  return [
    ['family', ...ropes, 'largest logit'],
    ...names.map((name) => [
      name,
      ...ropes.map((rope) => distanceOf(name, rope)),
      Math.max(...families.flatMap(({ family, largest }) => (family === name ? [largest] : []))).toFixed(1),
    ]),
  ];
}
