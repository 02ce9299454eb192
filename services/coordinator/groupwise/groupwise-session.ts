import type { Composition } from '#proto/rollout/v1/composition_pb.ts';
import { mapConcurrent } from '#platform/async/map-concurrent.ts';
import { createSemaphore } from '#platform/async/semaphore.ts';
import type { GroupwiseScorer } from '#recipe/reward-parts.ts';
import type { Recipe } from '#recipe/schema.ts';
import type { RolloutStage } from '#stages/kit/fields.ts';
import { groupwiseScorers, stageComposition } from '#recipe/stage-scorers.ts';
import type { Logger } from '#platform/telemetry/logging.ts';
import { withSpan } from '#platform/telemetry/tracing.ts';
import type { CoordinatorEvents } from '../events.ts';
import type { Group, Sample } from '../groups/group.ts';
import { createRetryingScorer, isLate, late } from './score-with-retries.ts';
import type { Answer, Asking, RewardClient } from './score-with-retries.ts';
import { groupRequest, presentSamples } from './group-request.ts';
import { judgedOf } from './group-scores.ts';
import type { GroupJudgedInit, GroupScores, MissingScores } from './group-scores.ts';

/** The groupwise scorers of the reward service, as a run uses them. */
export interface GroupwiseSession {
  /**
   * What a settled group's samples get from the groupwise scorers of its stage. Waits while a judge is unavailable; what it does not give in
   * the end is `missing`, as is everything when `signal` aborts with `deadline_exceeded`. Another abort throws `CancelledError`; what
   * waiting cannot fix (a judge that the service does not have, a lost trajectory) throws `TerminalError`.
   * `onWait` hears what it waits for.
   */
  score(stage: RolloutStage, group: Group, signal: AbortSignal, onWait: (what: string) => void): Promise<GroupScores>;
}

export interface GroupwiseOptions {
  readonly client: RewardClient;
  readonly runId: string;
  readonly recipe: Recipe;
  /** How long a judge or service that does not answer is waited for. */
  readonly maxOutageMs: number;
  /** What the policy wrote in a rollout, turn by turn. */
  turnsOf(sample: Sample, signal: AbortSignal): Promise<readonly string[]>;
  readonly events: Pick<CoordinatorEvents, 'groupScored' | 'retried'>;
  readonly log: Logger;
  now(): number;
}

/** Groups of a run that are asked about at once: bounds the transcripts in memory (P6), and keeps a judge's slots busy. */
const groupsAtOnce = 8;
const trajectoriesAtOnce = 4;
/** Of the judges, unless the recipe says otherwise. */
const defaultGroupTimeoutMs = 600_000;
/** For the way there and back: the service's own deadline comes first (P3). */
const callMarginMs = 10_000;
const leftOut = { reason: 'not_compared', detail: 'the schedule has no pair for some sample' };

export function createGroupwiseSession(options: GroupwiseOptions): GroupwiseSession {
  const { recipe, runId, events, log, now } = options;
  const slots = createSemaphore(groupsAtOnce);
  const ask = createRetryingScorer({
    ...options,
    onRetry({ name, scorer }, { id }, failure) {
      events.retried('reward');
      log.warn({ scorer: name, judge: scorer.judge, group: id, ...failure }, 'a group has no scores yet; asking again');
    },
  });

  async function askAbout(group: Group, composition: Composition, asking: Asking): Promise<Answer> {
    const { scorer, signal } = asking;
    const compared = await mapConcurrent(
      presentSamples(group),
      trajectoriesAtOnce,
      async (sample) => ({
        sample,
        texts: scorer.compared === 'transcript' ? await options.turnsOf(sample, signal) : [],
      }),
      signal,
    );
    return await ask(groupRequest(group, compared, { scorer, composition }), asking);
  }

  async function askInSlot(group: Group, composition: Composition, asking: Asking): Promise<Answer> {
    const { name, scorer, signal } = asking;
    const attributes = {
      'gradus.run': runId,
      'gradus.group': group.plan.groupId,
      'gradus.scorer': name,
      'gradus.judge': scorer.judge,
    };
    try {
      return await withSpan('run.score_group', attributes, async (span) => {
        const answer = await slots.run(() => askAbout(group, composition, asking), signal);
        if (answer.failure !== undefined) span.setAttribute('gradus.absent', answer.failure.reason);
        return answer;
      });
    } catch (thrown) {
      if (isLate(signal)) return { response: undefined, failure: late(signal) };
      throw thrown;
    }
  }

  return {
    async score(stage, group, signal, onWait) {
      const startedMs = now();
      const composition = stageComposition(recipe, stage);
      const components = new Map<string, Record<string, number>>();
      const judged: Record<string, GroupJudgedInit> = {};
      const missing: MissingScores[] = [];
      const end = (): GroupScores => ({ components, judged, missing, seconds: (now() - startedMs) / 1000 });
      const present = presentSamples(group);
      // One sample cannot be compared with another: it has no score, and nobody failed.
      if (present.length < 2) return end();
      for (const named of groupwiseScorers(recipe, stage)) {
        const { name, scorer } = named;
        onWait(`${name} from judge ${scorer.judge}`);
        const timeoutMs = groupTimeoutMs(recipe, scorer) + callMarginMs;
        const { attempts } = stage.groups;
        const { response, failure } = await askInSlot(group, composition, {
          ...named,
          timeoutMs,
          attempts,
          signal,
          onWait,
        });
        const scored = (response?.scores ?? []).flatMap(({ id, score }) =>
          score === undefined ? [] : [{ id, score }],
        );
        for (const { id, score } of scored) components.set(id, { ...components.get(id), [name]: score });
        if (response !== undefined) judged[name] = judgedOf(response);
        if (scored.length < present.length) {
          const { reason, detail } = failure ?? leftOut;
          missing.push({ scorer: name, judge: scorer.judge, reason, detail });
        }
      }
      const scores = end();
      events.groupScored(missing.length === 0 ? 'scored' : 'missing', scores.seconds);
      return scores;
    },
  };
}

function groupTimeoutMs({ judges }: Recipe, { deadline_ms: deadlineMs, judge }: GroupwiseScorer): number {
  const byJudge = judges?.[judge]?.['group_timeout_ms'];
  return deadlineMs ?? (typeof byJudge === 'number' ? byJudge : defaultGroupTimeoutMs);
}
