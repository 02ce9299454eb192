import type { ScoreItem } from '#proto/reward/v1/reward_pb.ts';
import type { CustomScorerSettings } from '#rewards/custom-scorer-settings.ts';
import type { Logger } from '#platform/telemetry/logging.ts';
import type { Metrics } from '#platform/telemetry/metrics.ts';
import { createAdmission, type AdmissionTicket } from '../judge/admission.ts';
import { customAbsent, type CustomAbsence } from './custom-absence.ts';
import { createCustomEvents, type CustomTally } from './custom-events.ts';
import { createLogLimit } from '#user-code/log-limit.ts';

/** Rewards of one kind of scorer as it gives them, before they are brought to 0..1. */
export interface ScorerBackend extends AsyncDisposable {
  /** Rollouts that it takes at once. */
  readonly concurrency: number;
  readonly running: number;
  readonly waiting: number;
  /** What is wrong with the settings; undefined when nothing is, or the scorer cannot know. Throws `CancelledError` alone. */
  settingsProblem(settings: object, signal: AbortSignal): Promise<SettingsVerdict>;
  /** Throws `CancelledError` when `signal` aborts, nothing else. */
  score(item: ScoreItem, settings: object, signal: AbortSignal): Promise<RawScore | CustomAbsence>;
}

export interface SettingsVerdict {
  readonly problem: string | undefined;
  /** Nobody could be asked; another time it may be different. */
  readonly unknown?: boolean;
}

export interface RawScore {
  readonly kind: 'raw';
  /** Finite. */
  readonly value: number;
}

export interface CustomValue {
  readonly kind: 'value';
  /** 0..1. */
  readonly value: number;
}

export interface CustomScorer extends AsyncDisposable {
  readonly name: string;
  readonly kind: CustomScorerSettings['kind'];
  /** Its file or URL. */
  readonly source: string;
  /** Room for so many rollouts; `TransientError` resource_exhausted when there is none. */
  admit(rollouts: number): AdmissionTicket;
  /** As of the backend; verdicts are kept. */
  settingsProblem(settingsJson: string, signal: AbortSignal): Promise<string | undefined>;
  /** A failure of the scorer is an absence with its reason. Throws `CancelledError` when `signal` aborts, nothing else. */
  score(item: ScoreItem, settingsJson: string, signal: AbortSignal): Promise<CustomValue | CustomAbsence>;
  tally(): Readonly<CustomTally>;
}

/** A run has a handful of settings. */
const mostVerdicts = 256;

/** `start` builds the backend; it is notified of restarts by `events`. */
export async function startCustomScorer(
  name: string,
  settings: CustomScorerSettings,
  { log, metrics }: { readonly log: Logger; readonly metrics: Metrics },
  start: (onRestart: () => void) => Promise<ScorerBackend>,
): Promise<CustomScorer> {
  const events = createCustomEvents(metrics, name);
  const backend = await start(() => events.restarted());
  const admission = createAdmission(`scorer '${name}'`, backend.concurrency + settings.queue, 'rollouts');
  const verdicts = new Map<string, string | undefined>();
  const logLimit = createLogLimit(10, 10_000);
  const report = (): void => events.load(backend.running, backend.waiting);

  function tellAbsence(item: ScoreItem, { reason, detail }: CustomAbsence): void {
    events.absent(reason);
    const suppressed = logLimit.take();
    if (suppressed === undefined) return;
    log.warn({ scorer: name, item: item.id, reason, detail, suppressed }, 'a scorer gave no score');
  }

  return {
    name,
    kind: settings.kind,
    source: settings.kind === 'http' ? settings.url : settings.path,
    admit: (rollouts) => admission.admit(rollouts),
    async settingsProblem(settingsJson, signal) {
      if (verdicts.has(settingsJson)) return verdicts.get(settingsJson);
      const { problem, unknown } = await backend.settingsProblem(settingsOf(settingsJson), signal);
      if (unknown === true) return undefined;
      if (verdicts.size >= mostVerdicts) verdicts.clear();
      verdicts.set(settingsJson, problem);
      return problem;
    },
    async score(item, settingsJson, signal) {
      const started = performance.now();
      const asked = backend.score(item, settingsOf(settingsJson), signal);
      report();
      const raw = await asked.finally(report);
      events.called(performance.now() - started);
      const outcome = raw.kind === 'absent' ? raw : scaled(raw.value, settings);
      if (outcome.kind === 'absent') tellAbsence(item, outcome);
      else events.scored(outcome.value);
      return outcome;
    },
    tally: () => events.tally,
    [Symbol.asyncDispose]: async () => await backend[Symbol.asyncDispose](),
  };
}

/** Checked before: empty, or one object. */
function settingsOf(settingsJson: string): object {
  return settingsJson === '' ? {} : (JSON.parse(settingsJson) as object);
}

/** low..high to 0..1; what lies outside is not a reward that anybody meant. */
export function scaled(
  value: number,
  { low, high }: { readonly low: number; readonly high: number },
): CustomValue | CustomAbsence {
  if (value >= low && value <= high) return { kind: 'value', value: (value - low) / (high - low) };
  return customAbsent('out_of_range', `it gave ${value}, and its range is ${low} to ${high}`);
}
