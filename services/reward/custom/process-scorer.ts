import { accessSync, constants } from 'node:fs';
import { join, resolve } from 'node:path';
import type { ScoreItem } from '#proto/reward/v1/reward_pb.ts';
import { rowFacts } from '#questions/row-facts.ts';
import { TerminalError } from '#platform/errors.ts';
import type { ProcessScorerSettings } from '#rewards/custom-scorer-settings.ts';
import { predictionOf } from '../score-item.ts';
import { programVariables, type UserCodeHost } from '#user-code/user-code-host.ts';
import { customAbsent, type CustomAbsence } from './custom-absence.ts';
import type { RawScore, ScorerBackend } from './custom-scorer.ts';
import { episodeJson, transcriptOf } from './episode-json.ts';
import { createProcessPool } from './process-pool.ts';
import { createProcessOutput } from '#user-code/process-output.ts';
import { startScorerProcess, type ScorerReply } from './scorer-process.ts';

export interface ProcessScorerContext extends UserCodeHost {
  /** Interpreter of Python. */
  readonly python: string;
  readonly onRestart: () => void;
  /** Aborts when the service stops while it starts. */
  readonly signal: AbortSignal;
}

/**
 * Starts one process, so that a file that cannot be loaded is known at once, and then the others. `TerminalError`
 * failed_precondition naming scorer and file.
 */
export async function startProcessScorer(
  name: string,
  settings: ProcessScorerSettings,
  context: ProcessScorerContext,
): Promise<ScorerBackend> {
  const { log, guardian, containment } = context;
  const { processes, timeoutMs } = settings;
  const file = resolve(settings.path);
  checkReadable(name, settings.path);
  const program = programOf(settings, file, context);
  const output = createProcessOutput(log, { scorer: name }, 'a scorer prints');
  const start = async (signal: AbortSignal) =>
    await startScorerProcess({ ...settings, ...program, containment, guardian, output }, signal);

  const first = await start(context.signal);
  if ('kind' in first) {
    throw new TerminalError('failed_precondition', `scorers.${name}: ${settings.path} cannot be used: ${first.detail}`);
  }
  const pool = createProcessPool(first, {
    processes,
    timeoutMs,
    start,
    onRestart: context.onRestart,
    onCircuit: (circuit) => log.warn({ scorer: name, circuit }, 'the circuit of a scorer changed'),
    onBroken(detail) {
      if (detail === undefined) log.info({ scorer: name }, 'processes of a scorer start again');
      else log.error({ scorer: name, detail }, 'processes of a scorer do not start; without any, rollouts are refused');
    },
  });
  return {
    concurrency: processes,
    get running() {
      return pool.running;
    },
    get waiting() {
      return pool.waiting;
    },
    async settingsProblem(given, signal) {
      // Python's function has no schema: it gets them as they are.
      if (settings.kind === 'python') return { problem: undefined };
      const reply = await pool.ask({ settings: given }, signal);
      if ('checked' in reply) return { problem: undefined };
      return 'badSettings' in reply ? { problem: reply.badSettings } : { problem: undefined, unknown: true };
    },
    score: async (item, given, signal) => rawScore(await pool.ask(requestOf(settings, item, given), signal)),
    [Symbol.asyncDispose]: async () => await pool[Symbol.asyncDispose](),
  };
}

function checkReadable(name: string, path: string): void {
  try {
    accessSync(path, constants.R_OK);
  } catch (cause) {
    throw new TerminalError(
      'failed_precondition',
      `scorers.${name}.path: '${path}' cannot be read; it is relative to the working directory, ${process.cwd()}`,
      { cause },
    );
  }
}

function programOf(settings: ProcessScorerSettings, file: string, { python, variables }: ProcessScorerContext) {
  const env = programVariables(variables, settings.environment);
  const memory = String(settings.memoryMebibytes);
  if (settings.kind === 'python') {
    const host = join(import.meta.dirname, 'python_host.py');
    return { command: python, args: [host, file, settings.function, memory], env };
  }
  const flags = [
    `--max-old-space-size=${memory}`,
    '--disable-warning=ExperimentalWarning',
    '--disable-warning=MODULE_TYPELESS_PACKAGE_JSON',
  ];
  return { command: process.execPath, args: [...flags, join(import.meta.dirname, 'typescript-host.ts'), file], env };
}

/** What a process is asked about a rollout: what its scorer gets. */
export function requestOf(settings: ProcessScorerSettings, item: ScoreItem, given: object): object {
  if (settings.kind === 'typescript') return { episode: episodeJson(item), settings: given };
  const { solution, groundTruth, dataSource } = settings;
  const { answers } = rowFacts(item.row);
  const truths = { first: answers[0], list: answers, target: { target: answers } };
  return {
    call: {
      data_source: dataSource,
      solution_str: solution === 'answer' ? (predictionOf(item.turns) ?? '') : transcriptOf(item),
      ground_truth: truths[groundTruth],
      extra_info: { ...episodeJson(item), settings: given },
    },
  };
}

function rawScore(reply: ScorerReply | CustomAbsence): RawScore | CustomAbsence {
  if ('kind' in reply) return reply;
  if ('score' in reply) return { kind: 'raw', value: reply.score };
  if ('threw' in reply) return customAbsent('threw', reply.threw);
  if ('notFinite' in reply) return customAbsent('out_of_range', `it gave ${reply.notFinite}`);
  if ('noNumber' in reply) return customAbsent('unparsable', `it gave ${reply.noNumber}, which is not a number`);
  // They were sound when they were checked.
  if ('badSettings' in reply) return customAbsent('threw', reply.badSettings);
  return customAbsent('crashed', 'it answered a rollout as if only its settings had been checked');
}
