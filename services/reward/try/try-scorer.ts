import type { ScoreItem } from '#proto/reward/v1/reward_pb.ts';
import type { ProcessScorerSettings } from '#rewards/custom-scorer-settings.ts';
import { createLogger } from '#platform/telemetry/logging.ts';
import { createUserCodeHost } from '#user-code/user-code-host.ts';
import { scaled } from '../custom/custom-scorer.ts';
import { requestOf, startProcessScorer } from '../custom/process-scorer.ts';

export interface Trial {
  /** What the scorer got, as it got it. */
  readonly given: object;
  /** What it printed, in pieces. */
  readonly printed: readonly string[];
  readonly milliseconds: number;
  /** A number of its own range, and the same from 0 to 1. */
  readonly score?: { readonly raw: number; readonly value: number };
  /** Why it gave none, and what was said: an exception with file and line. */
  readonly absent?: { readonly reason: string; readonly detail: string };
}

/**
 * Scores one rollout with one scorer, as the service does it. Throws TerminalError for a file that cannot be loaded, and for settings that
 * it refuses.
 */
export async function tryScorer(
  { settings, given, item, python }: TryRequest,
  signal: AbortSignal,
  environment: NodeJS.ProcessEnv,
): Promise<Trial | { readonly badSettings: string }> {
  const printed: string[] = [];
  const log = createLogger({
    service: 'try-scorer',
    level: 'info',
    destination: { write: (line) => keep(line, printed) },
  });
  await using ending = new AsyncDisposableStack();
  const userCode = createUserCodeHost({ log, defer: (_what, dispose) => ending.defer(dispose) }, environment);
  const alone = { ...settings, processes: 1 };
  const scorer = await startProcessScorer('tried', alone, {
    signal,
    ...(await userCode()),
    python,
    onRestart: () => {},
  });
  ending.use(scorer);
  const { problem } = await scorer.settingsProblem(given, signal);
  if (problem !== undefined) return { badSettings: problem };
  const started = performance.now();
  const found = await scorer.score(item, given, signal);
  const trial = {
    given: requestOf(settings, item, given),
    printed,
    milliseconds: Math.round(performance.now() - started),
  };
  const outcome = found.kind === 'absent' ? found : scaled(found.value, settings);
  return outcome.kind === 'absent'
    ? { ...trial, absent: { reason: outcome.reason, detail: outcome.detail } }
    : { ...trial, score: { raw: found.kind === 'raw' ? found.value : outcome.value, value: outcome.value } };
}

export interface TryRequest {
  readonly settings: ProcessScorerSettings;
  /** What a stage gives it. */
  readonly given: object;
  readonly item: ScoreItem;
  /** Interpreter of Python. */
  readonly python: string;
}

/** Of the lines of a log those that hold what a process printed. */
function keep(line: string, printed: string[]): void {
  const { text, stream } = JSON.parse(line) as { readonly text?: unknown; readonly stream?: unknown };
  if (typeof text === 'string' && stream !== undefined) printed.push(text);
}
