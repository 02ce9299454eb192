import type { MessageInitShape } from '@bufbuild/protobuf';
import type { GenerateResponseSchema } from '#proto/policy/v1/policy_pb.ts';
import { FinishReason } from '#proto/trajectory/v1/trajectory_pb.ts';
import type { ServerDescription, ServerLoad } from '#engines/kit/engine-server.ts';
import type { GradusError } from '#platform/errors.ts';
import type { Logger } from '#platform/telemetry/logging.ts';
import { durationBuckets, type Metrics } from '#platform/telemetry/metrics.ts';
import { finishWord } from '#trajectory/enum-words.ts';
import type { ServedVersion } from './versions/version-loads.ts';

/** Why a server was started anew: it ended, it lived and did not answer, or a version could be loaded in no other way. */
export type RestartReason = 'ended' | 'hung' | 'load';

/** The only place of the sidecar that counts and logs. What the built-in engine counts too has its names. */
export function createSidecarEvents(log: Logger, metrics: Metrics) {
  const requests = metrics.counter('gradus_engine_requests_total', 'Requests ended.', ['outcome']);
  const refusals = metrics.counter('gradus_engine_refused_requests_total', 'Requests not queued.', ['reason']);
  const generated = metrics.counter('gradus_engine_generated_tokens_total', 'Tokens sampled.');
  const prefilled = metrics.counter('gradus_engine_prefilled_tokens_total', 'Prompt tokens computed.');
  const cached = metrics.counter('gradus_engine_cached_tokens_total', 'Prompt tokens found in the cache.');
  const queue = metrics.histogram('gradus_engine_queue_seconds', 'Wait before a prompt is computed.', durationBuckets);
  const loading = metrics.histogram(
    'gradus_engine_load_seconds',
    'Reading a version and swapping it in.',
    durationBuckets,
  );
  const running = metrics.gauge('gradus_engine_running_requests', 'Requests being generated.');
  const waiting = metrics.gauge('gradus_engine_waiting_requests', 'Requests in the queue.');
  const kvUsed = metrics.gauge('gradus_engine_kv_used_ratio', 'Share of kv_tokens that runs, 0..1.');
  const version = metrics.gauge(
    'gradus_policy_version',
    'Policy version: of the weights (learner), that engines have to serve (policy), that serves (engine).',
  );
  const up = metrics.gauge('gradus_engine_server_up', 'Whether the server behind a sidecar answers: 1 or 0.');
  const restarts = metrics.counter(
    'gradus_engine_server_restarts_total',
    'Starts of a server by its sidecar after the first.',
    ['reason'],
  );
  const withoutEffect = metrics.counter(
    'gradus_engine_loads_without_effect_total',
    'Loads that a server answered with success, and after which it computed with other weights.',
  );

  return {
    turnEnded(response: MessageInitShape<typeof GenerateResponseSchema>, promptTokens: number): void {
      const cachedTokens = response.cachedTokens ?? 0;
      requests.inc({ outcome: finishWord(response.finishReason ?? FinishReason.UNSPECIFIED) });
      generated.inc(response.tokenIds?.length ?? 0);
      cached.inc(cachedTokens);
      prefilled.inc(promptTokens - cachedTokens);
      queue.observe((response.queueMs ?? 0) / 1000);
    },
    turnAborted: (): void => requests.inc({ outcome: 'aborted' }),
    turnFailed(error: GradusError, isCancelled: boolean): void {
      requests.inc({ outcome: isCancelled ? 'aborted' : 'failed' });
      if (!isCancelled && error.code !== 'resource_exhausted')
        log.warn({ code: error.code, err: error }, 'a turn failed');
    },
    refused: (reason: 'old_version' | 'invalid' | 'queue_full'): void => refusals.inc({ reason }),
    lineChanged(runningNow: number, waitingNow: number): void {
      running.set(runningNow);
      waiting.set(waitingNow);
    },
    serverSaid: ({ kvUsedRatio }: ServerLoad): void => kvUsed.set(kvUsedRatio),
    serving: (served: bigint): void => version.set(Number(served)),
    asking: (kind: string, server: string): void => log.info({ kind, server }, 'a server is asked what it can do'),
    serverUp(description: ServerDescription): void {
      up.set(1);
      log.info({ server: description }, 'the server is up');
    },
    serverDown(program: string, reason: string): void {
      up.set(0);
      log.warn({ server: program, reason }, 'the server is down');
    },
    serverRestarted(reason: RestartReason): void {
      restarts.inc({ reason });
      log.warn({ reason }, 'the server was started anew');
    },
    loadWithoutEffect(wanted: bigint, problem: string, startsAnew: boolean): void {
      withoutEffect.inc();
      const consequence = startsAnew
        ? 'it is started anew with them, now and for each later version, which is slow'
        : 'it is not used until it is started anew';
      log.error(
        { version: String(wanted), problem, consequence },
        'a server took weights and does not compute with them',
      );
    },
    loaded({ version: loadedVersion, weightsDigest }: ServedVersion, carriedOver: number, elapsedMs: number): void {
      loading.observe(elapsedMs / 1000);
      log.info(
        { version: String(loadedVersion), weightsDigest, carriedOver, seconds: Math.round(elapsedMs) / 1000 },
        'a version serves',
      );
    },
  };
}

export type SidecarEvents = ReturnType<typeof createSidecarEvents>;
