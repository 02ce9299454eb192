import { TerminalError } from '#platform/errors.ts';
import type { StageKind } from '../kit/stage-kind.ts';
import { checkEval } from './check.ts';
import { pairedReport, readShares } from './paired.ts';
import { predictionLines } from './prediction-lines.ts';
import { askedRows, reportOf, type EvalReport } from './report.ts';
import { evalSchema, successOf } from './schema.ts';

/**
 * Asks rows of the policy as it is and changes nothing: predictions, metrics with intervals, pass@k. The rollouts are groups in the
 * ledger, so that a resumed stage asks only for what is missing.
 */
export const evaluation: StageKind<typeof evalSchema, undefined> = {
  kind: 'eval',
  schema: evalSchema,
  changesPolicy: false,
  needsLearner: false,
  textSuffices: true,
  leaves: ['rollouts', 'rows'],
  uses: ({ against }) => (against === undefined ? [] : [{ path: ['against'], stage: against, artefact: 'rows' }]),
  against: ({ against }) => against,
  check: checkEval,
  estimate: ({ prompts: { of, limit }, samples }, _recipe, counted) => {
    const rows = counted && { held_out: counted.heldOut, train: counted.train, all: counted.train + counted.heldOut };
    const groups = rows === undefined ? (limit ?? 0) : Math.min(limit ?? Infinity, rows[of]);
    return { steps: 0, groups, groupSize: samples, rollouts: groups * samples, mostRollouts: groups * samples };
  },
  next: (_stage, view) =>
    view.evaluations.length === 0 ? { kind: 'act', action: undefined } : { kind: 'finish', reason: 'evaluated' },
  async run(context, stage) {
    const { prompts, deadlines, groups, samples, greedy } = stage;
    const rows = await context.play({
      stage,
      name: 'after',
      rows: prompts.of,
      limit: prompts.limit,
      samples,
      mode: greedy ? 'greedy' : 'train',
      groupMs: deadlines.group_ms,
      deadlineMs: deadlines.stage_ms,
      attempts: groups.attempts,
    });
    const decided = { ...stage, success: successOf(stage, context.primaryMetric) };
    const { against } = stage;
    const report: EvalReport = {
      ...reportOf(decided, rows.played, context.seed),
      ...(against !== undefined && {
        paired: pairedReport(decided, against, rows.played, await readShares(await context.take(against, 'rows'))),
      }),
    };
    const { n, asked } = report.rollouts;
    if (n === 0)
      throw new TerminalError(
        'failed_precondition',
        `stage ${stage.name}: none of its ${asked} rollouts came back (${Object.entries(report.absences)
          .map(([reason, count]) => `${count} ${reason}`)
          .join(', ')}); see the workers' logs, then resume`,
      );
    await context.write('predictions.jsonl', predictionLines(rows.played));
    await context.write('summary.json', [`${JSON.stringify(report, undefined, 2)}\n`]);
    await context.leaveRows(askedRows(decided, rows.played));
    const passed = Object.fromEntries(
      Object.entries(report.metrics).flatMap(([name, { value, low, high }]) =>
        name.includes('@')
          ? [[name, value] as const, [`${name}.low`, low] as const, [`${name}.high`, high] as const]
          : [],
      ),
    );
    const { paired } = report;
    const compared = paired && { 'paired.better': paired.better, 'paired.worse': paired.worse, 'paired.p': paired.p };
    await rows.finish({ ...passed, ...compared });
    return { kind: 'done' };
  },
};
