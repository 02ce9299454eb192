import { mkdir } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { RewardService } from '#proto/reward/v1/reward_service_pb.ts';
import type { RolloutResult } from '#proto/rollout/v1/result_pb.ts';
import { CancelledError, TerminalError } from '#platform/errors.ts';
import { writeAtomically } from '#platform/files/write-atomically.ts';
import { createGrpcClient } from '#platform/grpc/client.ts';
import type { Nats } from '#platform/nats/connect.ts';
import { openOperator } from '#fleet/credentials-directory.ts';
import { planReward } from '#fleet/fleet-plan.ts';
import { planScriptedJudges, withScriptedJudges } from '#fleet/scripted-judges.ts';
import { headlineOf } from '#recipe/environment-part.ts';
import { storedResults } from '#run/rollouts/results.ts';
import { predictionLines } from '#stages/eval/prediction-lines.ts';
import { reportOf } from '#stages/eval/report.ts';
import { successOf } from '#stages/eval/schema.ts';
import { loadOwnEnvironment } from '#environments/own-file/load.ts';
import type { JudgeOptions } from '../eval/judge-options.ts';
import { formatReport, judgedNone } from '../eval/format-report.ts';
import { exitCodes } from '../exit-codes.ts';
import { createOwnServices, type OwnServices } from '../process/own-services.ts';
import { chosenJudges, type ChosenJudges } from '../rejudge/chosen-judges.ts';
import { findEvaluation, type FoundEvaluation } from '../rejudge/find-evaluation.ts';
import { judgeStage, storedItem, type JudgingPorts } from '../rejudge/judge-stage.ts';
import { judgedBase, rejudgedOf } from '../rejudge/rejudged.ts';
import { keyProblems } from '../run/reward-inputs.ts';
import { inputError } from '../run/place-problems.ts';
import type { Terminal } from '../terminal/terminal.ts';
import { withStreams } from '../transcript/with-streams.ts';
import { watchInterrupts } from './interrupts.ts';

export interface RejudgeOptions extends JudgeOptions {
  /** Folder of an evaluation. */
  readonly rejudge: string;
  /** Also answers that have a judgement. */
  readonly all?: boolean;
  readonly set: readonly string[];
  /** Directory of certificates for the reward service that is started. */
  readonly credentials?: string;
  readonly out: string;
  readonly json: boolean;
}

/** Beyond a question's own time: starting, reading, and sending. */
const callMarginMs = 30_000;

/** Asks judges again about answers of an evaluation that was played, and writes predictions and summary with what they say. */
export async function rejudgeCommand(
  recipe: string | undefined,
  options: RejudgeOptions,
  terminal: Terminal,
): Promise<number> {
  if (recipe !== undefined)
    throw new TerminalError(
      'invalid_argument',
      `--rejudge ${options.rejudge}: judges what was played by the recipe of then; leave ${recipe} out`,
    );
  const found = await findEvaluation(options.rejudge);
  const { environment_file: file } = found.resolved.paths;
  if (file !== undefined) await loadOwnEnvironment(file);
  const chosen = chosenJudges(found, options);
  const problems = keyProblems(chosen.recipe, process.env);
  if (problems.length > 0) throw inputError({ file: found.resolved.recipe_path }, problems);
  for (const line of chosen.notes) terminal.err(line);
  const stopping = new AbortController();
  const interrupts = watchInterrupts();
  interrupts.onFirst(() => stopping.abort(new CancelledError('cancelled', 'stopped; the same command goes on')));
  try {
    return await withStreams(
      found.home,
      { command: 'gradus eval --rejudge', note: (line) => terminal.err(line) },
      stopping.signal,
      (nats) =>
        judgeAgain(
          found,
          chosen,
          { ...options, out: resolve(options.out) },
          { nats, terminal, signal: stopping.signal },
        ),
    );
  } finally {
    interrupts.release();
  }
}

interface Ports {
  readonly nats: Nats;
  readonly terminal: Terminal;
  readonly signal: AbortSignal;
}

async function judgeAgain(
  found: FoundEvaluation,
  chosen: ChosenJudges,
  options: RejudgeOptions,
  { nats, terminal, signal }: Ports,
): Promise<number> {
  const which = options.all === true ? 'all' : 'absent';
  const bases = await Promise.all(
    found.stages.map(async (one) => {
      const to = found.evalStages === 1 ? options.out : join(options.out, one.stage.name);
      return { one, to, ...(await judgedBase(found, chosen, one, to, which)) };
    }),
  );
  const results = await resultsByRollout(nats, found.runId, signal);
  const credentials = options.credentials && resolve(options.credentials);
  const services = await createOwnServices({
    logs: join(found.directory, 'logs'),
    prefix: 'rejudge',
    credentials,
    signal,
  });
  try {
    using judging = await startJudging(chosen, services, { credentials, signal });
    let judged = 0;
    let code: number = exitCodes.ok;
    const onJudged = (): void => terminal.status(`${(judged += 1)} judged`);
    const stored: JudgingPorts['stored'] = async (result) => await storedItem(nats, result, signal);
    const ports: JudgingPorts = { score: judging.score, stored, results, signal, onJudged };
    for (const { one, to, predictions, asks, before } of bases) {
      const { rows, tally, stopped } = await judgeStage(chosen.recipe, one, { predictions, which: asks }, ports);
      const success = successOf(one.stage, headlineOf(chosen.recipe).primaryMetric);
      const report = reportOf({ ...one.stage, success }, rows, chosen.recipe.seed);
      const rejudged = rejudgedOf(found, chosen, one, { which, tally, before });
      await mkdir(to, { recursive: true });
      await writeAtomically(join(to, 'predictions.jsonl'), predictionLines(rows));
      const summary = `${JSON.stringify({ ...report, rejudged }, undefined, 2)}\n`;
      await writeAtomically(join(to, 'summary.json'), summary);
      terminal.status('');
      for (const line of rejudged.notes) terminal.err(line);
      if (stopped !== undefined) throw stopped;
      if (options.json) terminal.out(summary.trimEnd());
      else terminal.out(formatReport(report, to));
      for (const line of judgedNone(report)) {
        terminal.err(line);
        code = exitCodes.unavailable;
      }
    }
    return code;
  } finally {
    await services.stop();
  }
}

/** Those that left what was played. */
async function resultsByRollout(
  nats: Nats,
  runId: string,
  signal: AbortSignal,
): Promise<ReadonlyMap<string, readonly RolloutResult[]>> {
  const results = new Map<string, RolloutResult[]>();
  for await (const result of storedResults(nats, runId, signal)) {
    if (result.trajectorySequence === 0n) continue;
    const known = results.get(result.taskId);
    if (known === undefined) results.set(result.taskId, [result]);
    else known.push(result);
  }
  return results;
}

/** A reward service of our own, with the judges that were chosen, scripted ones too. */
async function startJudging(
  chosen: ChosenJudges,
  services: OwnServices,
  { credentials, signal }: { readonly credentials: string | undefined; readonly signal: AbortSignal },
): Promise<Pick<JudgingPorts, 'score'> & Disposable> {
  const scripted = await Promise.all(
    planScriptedJudges(chosen).map(
      async (planned) => [planned.label, (await services.start(planned)).http ?? ''] as const,
    ),
  );
  const inputs = withScriptedJudges(chosen, new Map(scripted));
  const { grpc = '' } = await services.start(planReward(inputs));
  const longestMs = Math.max(...Object.values(inputs.recipe.judges ?? {}).map((judge) => judge.item_timeout_ms));
  const client = createGrpcClient(RewardService, grpc, {
    timeoutMs: longestMs + callMarginMs,
    security: await openOperator(credentials),
  });
  return {
    async score(item) {
      const { scores } = await client.score({ items: [item] }, { signal });
      const [score] = scores;
      if (score === undefined)
        throw new TypeError('the reward service gave no score for the one item that it was sent');
      return score;
    },
    [Symbol.dispose]: () => client.close(),
  };
}
