import type { RewardService } from '#proto/reward/v1/reward_service_pb.ts';
import type { ScoreGroupResponse } from '#proto/reward/v1/group_pb.ts';
import { createSemaphore } from '#shared/async/semaphore.ts';
import { mapConcurrent } from '#shared/async/map-concurrent.ts';
import { sleep } from '#shared/async/sleep.ts';
import { TerminalError, cancelledFrom, errorFrom, throwIfCancelled } from '#shared/errors.ts';
import type { GrpcClient } from '#shared/grpc/client.ts';
import type { GroupwiseScorer } from '#shared/recipe/reward-parts.ts';
import type { Recipe, StageRecipe } from '#shared/recipe/schema.ts';
import { groupwiseScorers } from '#shared/recipe/stage-scorers.ts';
import type { Named } from '#shared/recipe/stage-scorers.ts';
import type { Logger } from '#shared/telemetry/logging.ts';
import { withSpan } from '#shared/telemetry/tracing.ts';
import type { CoordinatorEvents } from '../events.ts';
import type { Group, Sample } from '../run/group-collector.ts';
import { groupRequest, presentSamples } from './group-request.ts';
import type { GroupRequest } from './group-request.ts';
import { judgedOf } from './group-scores.ts';
import type { GroupJudgedInit, GroupScores, MissingScores } from './group-scores.ts';
import { createOutages } from './outages.ts';
import { troubleFrom, troubleOf } from './trouble.ts';
import type { Trouble } from './trouble.ts';

export type RewardClient = GrpcClient<typeof RewardService>;

/** The groupwise scorers of the reward service, as a run uses them. */
export interface GroupwiseSession {
  /**
   * What a settled group's samples get from the groupwise scorers of its stage. Waits while a judge is away; what it does not give in the end
   * is `missing`, as is everything when `signal` aborts with `deadline_exceeded`. Another abort throws `CancelledError`; what
   * waiting cannot mend (a judge that the service does not have, a lost trajectory) throws `TerminalError`.
   * `onWait` hears what it waits for.
   */
  score(stage: StageRecipe, group: Group, signal: AbortSignal, onWait: (what: string) => void): Promise<GroupScores>;
}

export interface GroupwiseOptions {
  readonly client: RewardClient;
  readonly runId: string;
  readonly recipe: Recipe;
  /** How long a judge or service that does not answer is waited for. */
  readonly patienceMs: number;
  /** What the policy wrote in a rollout, turn by turn. */
  turnsOf(sample: Sample, signal: AbortSignal): Promise<readonly string[]>;
  readonly events: Pick<CoordinatorEvents, 'groupScored' | 'retried'>;
  readonly log: Logger;
  now(): number;
}

/** Groups of a run that are asked about at once: bounds the transcripts in memory (P6), and is more than a judge's slots need. */
const groupsAtOnce = 8;
const trajectoriesAtOnce = 4;
/** Of the judges, unless the recipe says otherwise. */
const defaultGroupTimeoutMs = 600_000;
/** For the way there and back: the service's own deadline comes first (P3). */
const callMarginMs = 10_000;

type NamedGroupwise = Named<GroupwiseScorer>;

interface Answer {
  readonly response: ScoreGroupResponse | undefined;
  /** Why scores are missing. */
  readonly trouble: Trouble | undefined;
}

export function createGroupwiseSession(options: GroupwiseOptions): GroupwiseSession {
  const { client, recipe, events, log, now, patienceMs } = options;
  const slots = createSemaphore(groupsAtOnce);
  const outages = createOutages(now);

  /** Asks until there is an answer, or nothing more is to be hoped for. */
  async function ask(
    request: GroupRequest,
    { name, scorer }: NamedGroupwise,
    attempts: number,
    signal: AbortSignal,
    onWait: (what: string) => void,
  ): Promise<Answer> {
    const { judge } = scorer;
    const timeoutMs = groupTimeoutMs(recipe, scorer) + callMarginMs;
    let trouble: Trouble | undefined;
    let response: ScoreGroupResponse | undefined;
    for (let attempt = 0, refusals = 0; ; attempt++) {
      try {
        response = await client.scoreGroup(request, { signal, timeoutMs });
        trouble = troubleOf(response);
        if (trouble?.passes !== true) outages.answered(judge);
      } catch (thrown) {
        if (isLate(signal)) return { response, trouble: trouble ?? late(signal) };
        throwIfCancelled(signal);
        const error = errorFrom(thrown);
        trouble = troubleFrom(error);
        if (trouble === undefined)
          throw new TerminalError(
            error instanceof TerminalError ? error.code : 'internal',
            `the groupwise scorer ${name} cannot be asked: ${error.message}; mend it, then resume the run`,
            { cause: error },
          );
      }
      if (trouble === undefined) return { response, trouble };
      if (!trouble.passes) refusals += 1;
      const waitedMs = trouble.passes ? outages.failed(judge) : 0;
      const isOver = trouble.passes ? waitedMs >= patienceMs : refusals >= attempts || scorer.partial === 'aggregate';
      if (isOver) return { response, trouble };
      events.retried('reward');
      log.warn(
        { scorer: name, judge, group: request.id, attempt, ...trouble },
        'a group has no scores yet; asking again',
      );
      onWait(`${name} from judge ${judge}: ${trouble.reason} (${trouble.detail})`);
      try {
        await sleep(Math.min(5000, 200 * 2 ** Math.min(attempt, 10)), signal);
      } catch (thrown) {
        if (isLate(signal)) return { response, trouble };
        throw thrown;
      }
    }
  }

  async function scoreBy(
    named: NamedGroupwise,
    stage: StageRecipe,
    group: Group,
    signal: AbortSignal,
    onWait: (what: string) => void,
  ): Promise<Answer> {
    const compared = await mapConcurrent(
      presentSamples(group),
      trajectoriesAtOnce,
      async (sample) => ({
        sample,
        texts: named.scorer.compared === 'transcript' ? await options.turnsOf(sample, signal) : [],
      }),
      signal,
    );
    return await ask(groupRequest(group, compared, named.scorer), named, stage.groups.attempts, signal, onWait);
  }

  return {
    async score(stage, group, signal, onWait) {
      const startedMs = now();
      const components = new Map<string, Record<string, number>>();
      const judged: Record<string, GroupJudgedInit> = {};
      const missing: MissingScores[] = [];
      const end = (): GroupScores => ({ components, judged, missing, seconds: (now() - startedMs) / 1000 });
      // One sample cannot be compared with another: it has no score, and nobody failed.
      const present = presentSamples(group);
      if (present.length < 2) return end();
      for (const named of groupwiseScorers(recipe, stage)) {
        const { name, scorer } = named;
        onWait(`${name} from judge ${scorer.judge}`);
        const attributes = {
          'gradus.run': options.runId,
          'gradus.group': group.plan.groupId,
          'gradus.scorer': name,
          'gradus.judge': scorer.judge,
        };
        const { response, trouble } = await withSpan('run.score_group', attributes, async (span) => {
          const answer = await inSlot(() => scoreBy(named, stage, group, signal, onWait), signal);
          if (answer.trouble !== undefined) span.setAttribute('gradus.absent', answer.trouble.reason);
          return answer;
        });
        const scored = (response?.scores ?? []).filter(({ score }) => score !== undefined);
        for (const { id, score = NaN } of scored) components.set(id, { ...components.get(id), [name]: score });
        if (response !== undefined) judged[name] = judgedOf(response);
        if (scored.length < present.length) {
          const { reason, detail } = trouble ?? leftOut;
          missing.push({ scorer: name, judge: scorer.judge, reason, detail });
        }
      }
      const scores = end();
      events.groupScored(missing.length === 0 ? 'scored' : 'missing', scores.seconds);
      return scores;
    },
  };

  async function inSlot(run: () => Promise<Answer>, signal: AbortSignal): Promise<Answer> {
    try {
      return await slots.run(run, signal);
    } catch (thrown) {
      if (isLate(signal)) return { response: undefined, trouble: late(signal) };
      throw thrown;
    }
  }
}

function groupTimeoutMs({ judges }: Recipe, { deadline_ms: deadlineMs, judge }: GroupwiseScorer): number {
  const byJudge = judges?.[judge]?.['group_timeout_ms'];
  return deadlineMs ?? (typeof byJudge === 'number' ? byJudge : defaultGroupTimeoutMs);
}

const leftOut = { reason: 'not_compared', detail: 'the schedule has no pair for some sample' };

/** The step's time is over, as opposed to a run that is stopped. */
function isLate(signal: AbortSignal): boolean {
  return signal.aborted && cancelledFrom(signal.reason).code === 'deadline_exceeded';
}

function late(signal: AbortSignal): Trouble {
  return { reason: 'deadline', detail: cancelledFrom(signal.reason).message, passes: false };
}
