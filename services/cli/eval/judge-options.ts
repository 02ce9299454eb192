import { TerminalError } from '#platform/errors.ts';

/** Options of `gradus eval` that say who grades. */
export interface JudgeOptions {
  /** URL of an endpoint that speaks the chat completions API. */
  readonly judge?: string;
  readonly judgeModel?: string;
  /** Environment variable that holds its key. */
  readonly judgeKeyEnv?: string;
}

/** Name of the judge, and of the scorer that asks it, in a recipe that options make. */
const judgeName = 'main';
export const gradeScorer = 'grade';

/** By field of the recipe: the option that gives it. */
export const judgeOptionNames = {
  [`judges.${judgeName}.base_url`]: '--judge',
  [`judges.${judgeName}.model`]: '--judge-model',
  [`judges.${judgeName}.api_key_env`]: '--judge-key-env',
};

/** The parts of a recipe in which a judge gives the three grades; undefined where no judge is named. */
export function judgeParts({ judge, judgeModel, judgeKeyEnv }: JudgeOptions): object | undefined {
  if (judge === undefined) {
    const lone =
      judgeModel === undefined ? (judgeKeyEnv === undefined ? undefined : '--judge-key-env') : '--judge-model';
    if (lone !== undefined) throw new TerminalError('invalid_argument', `${lone} needs --judge URL`);
    return undefined;
  }
  if (judgeModel === undefined)
    throw new TerminalError('invalid_argument', '--judge needs --judge-model NAME: what its server calls the model');
  return {
    judges: {
      [judgeName]: {
        base_url: judge,
        model: judgeModel,
        ...(judgeKeyEnv !== undefined && { api_key_env: judgeKeyEnv }),
      },
    },
    scorers: { [gradeScorer]: { kind: 'grade', judge: judgeName } },
  };
}
