import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { TerminalError } from '#platform/errors.ts';
import type { Recipe } from '#recipe/schema.ts';
import { isReadable } from '../run/is-readable.ts';
import { plural } from '../terminal/format.ts';
import type { ChosenJudges } from './chosen-judges.ts';
import type { FoundEvaluation, JudgedStage } from './find-evaluation.ts';
import type { JudgedTally } from './judge-stage.ts';

/** `rejudged` of a summary.json: that its judgements are not all of the evaluation itself. */
const rejudgedSchema = z.object({
  /** Folder of the run whose rollouts were judged. */
  of: z.string(),
  /** By name: who judged this time. */
  judges: z.record(z.string(), z.string()),
  /** Answers without a judgement, or all. */
  which: z.enum(['absent', 'all']),
  asked: z.number(),
  judged: z.number(),
  absent: z.number(),
  not_stored: z.number(),
  notes: z.array(z.string()),
});
type Rejudged = z.output<typeof rejudgedSchema>;

interface JudgedBase {
  /** Absolute; what is judged further. */
  readonly predictions: string;
  /** Which of its answers are judged: those that a rejudging of all has not come to are absent there. */
  readonly asks: Rejudged['which'];
  /** Of a rejudging that this one goes on with. */
  readonly before: Rejudged | undefined;
}

/**
 * What a rejudging of a stage into the folder `to` starts from: the evaluation itself, or what an earlier rejudging by the same judges left there.
 * P9: anything else that lies there is refused.
 */
export async function judgedBase(
  found: FoundEvaluation,
  chosen: ChosenJudges,
  { stage, predictions, judged }: JudgedStage,
  to: string,
  which: Rejudged['which'],
): Promise<JudgedBase> {
  const path = join(to, 'summary.json');
  if (!(await isReadable(path))) return { predictions, asks: which, before: undefined };
  const there = z
    .object({ stage: z.string(), rejudged: rejudgedSchema.optional() })
    .safeParse(jsonOf(await readFile(path, 'utf8')));
  const before = there.data?.rejudged;
  const judges = judgesOf(chosen.recipe, { judged });
  const isSame =
    there.data?.stage === stage.name &&
    before?.of === found.directory &&
    JSON.stringify(before.judges) === JSON.stringify(judges) &&
    before.which === which;
  if (isSame) return { predictions: join(to, 'predictions.jsonl'), asks: 'absent', before };
  const what =
    before === undefined
      ? 'an evaluation'
      : `a rejudging of ${before.of} (${before.which}) by ${Object.values(before.judges).join(', ')}`;
  throw new TerminalError('failed_precondition', `--out ${to}: holds ${what}; give a folder of its own`);
}

/** What the summary says of a rejudging, with a line for people on whatever makes its metrics of two kinds. */
export function rejudgedOf(
  found: FoundEvaluation,
  chosen: ChosenJudges,
  one: JudgedStage,
  {
    which,
    tally,
    before,
  }: { readonly which: Rejudged['which']; readonly tally: JudgedTally; readonly before: Rejudged | undefined },
): Rejudged {
  const judges = judgesOf(chosen.recipe, one);
  const first = judgesOf(found.resolved.recipe, one);
  const others = Object.entries(judges).filter(([name, model]) => first[name] !== model);
  const judged = tally.judged + (before?.judged ?? 0);
  const notes = [
    ...(which === 'absent' && judged > 0 && tally.kept > 0
      ? others.map(
          ([name, model]) =>
            `${plural(judged, 'judgement')} of ${one.stage.name} by ${model}, the others by ${first[name] ?? 'nobody'}: --all has one judge for all`,
        )
      : []),
    ...(tally.asked === 0 ? [`${one.stage.name}: no answer waits for a judge`] : []),
    ...(tally.absent > 0
      ? [
          `${plural(tally.absent, 'answer')} of ${one.stage.name} without a judgement again; the same command asks for them once more`,
        ]
      : []),
    ...(tally.notStored > 0
      ? [
          `${plural(tally.notStored, 'answer')} of ${one.stage.name} could not be judged: what was played is no longer stored`,
        ]
      : []),
  ];
  const { asked, absent, notStored } = tally;
  return { of: found.directory, judges, which, asked, judged, absent, not_stored: notStored, notes };
}

/** Model and address of each judge of the stage. */
function judgesOf({ judges, fleet }: Recipe, { judged }: Pick<JudgedStage, 'judged'>): Record<string, string> {
  const names = [...new Set(judged.map(({ scorer }) => scorer.judge))].sort();
  return Object.fromEntries(
    names.map((name) => {
      const { model = '', base_url: url = '' } = judges?.[name] ?? {};
      return [name, Object.hasOwn(fleet.scripted_judges, name) ? 'scripted' : `${model} at ${url}`];
    }),
  );
}

/** Undefined for what is no JSON. */
function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
