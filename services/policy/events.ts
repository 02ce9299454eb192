import type { DescribeResponse, GenerateResponse } from '#proto/policy/v1/policy_pb.ts';
import type { EngineFleetLoad } from './engines/engine-fleet.ts';
import type { GradusError } from '#platform/errors.ts';
import type { Logger } from '#platform/telemetry/logging.ts';
import { durationBuckets, type Metrics } from '#platform/telemetry/metrics.ts';

/** The only place of the gateway that counts and logs: one function per business event. */
export function createPolicyEvents(log: Logger, metrics: Metrics) {
  const generations = metrics.counter('gradus_policy_generations_total', 'Generate calls by outcome', ['outcome']);
  const tokens = metrics.counter(
    'gradus_policy_tokens_total',
    'Tokens by kind: prompt, cached (of the prompt) and generated',
    ['kind'],
  );
  const generation = metrics.histogram(
    'gradus_policy_generation_seconds',
    'Duration of a Generate call at the gateway',
    durationBuckets,
  );
  const tokenized = metrics.counter('gradus_policy_tokenized_tokens_total', 'Tokens made from text');
  const moved = metrics.counter(
    'gradus_policy_requests_moved_total',
    'Requests that went to another engine because theirs failed',
  );
  const enginesUp = metrics.gauge('gradus_policy_engines_up', 'Engines that requests are routed to');
  const queued = metrics.gauge('gradus_policy_queue_requests', 'Requests that wait for an engine');
  const running = metrics.gauge('gradus_policy_running_requests', 'Requests that engines work on');
  const kvUsed = metrics.gauge('gradus_policy_kv_used_ratio', 'Share of its KV cache that the fullest engine uses');
  const version = metrics.gauge(
    'gradus_policy_version',
    'Policy version: of the weights (learner), that engines have to serve (policy), that serves (engine).',
  );
  const loads = metrics.counter(
    'gradus_policy_version_loads_total',
    'Loads of a policy version, one per engine, by outcome',
    ['outcome'],
  );

  return {
    generated(response: GenerateResponse, promptTokens: number, elapsedMs: number): void {
      generations.inc({ outcome: 'ok' });
      tokens.inc({ kind: 'prompt' }, promptTokens);
      tokens.inc({ kind: 'cached' }, response.cachedTokens);
      tokens.inc({ kind: 'generated' }, response.tokenIds.length);
      generation.observe(elapsedMs / 1000);
    },
    generationFailed(requestId: string, error: GradusError): void {
      generations.inc({ outcome: error.code });
      if (error.name !== 'CancelledError') log.warn({ requestId, code: error.code, err: error }, 'a generation failed');
    },
    textTokenized(count: number): void {
      tokenized.inc(count);
    },
    requestMoved(address: string, error: GradusError): void {
      moved.inc();
      log.debug({ engine: address, code: error.code }, 'a request moves to another engine');
    },
    engineUp(address: string, description: DescribeResponse): void {
      enginesUp.inc();
      log.info({ engine: address, model: description.model, version: String(description.version) }, 'an engine is up');
    },
    engineDown(address: string, error: Error): void {
      enginesUp.dec();
      log.warn({ engine: address, err: error }, 'an engine is down; its sessions move');
    },
    probeFailed(address: string, error: GradusError): void {
      log.debug({ engine: address, code: error.code, reason: error.message }, 'an engine did not answer a probe');
    },
    engineJoined(address: string): void {
      log.info({ engine: address }, 'an engine joins');
    },
    engineLeft(address: string, movedRequests: number): void {
      log.info({ engine: address, moved: movedRequests }, 'an engine has left');
    },
    namesUnresolved(name: string, error: Error): void {
      log.warn({ name, err: error }, 'a name of engines cannot be resolved; those known stay');
    },
    addedEnginesUnread(folder: string, error: Error): void {
      log.warn({ folder, err: error }, 'engines that were added cannot all be read; those known stay');
    },
    versionWanted(wanted: bigint): void {
      version.set(Number(wanted));
    },
    versionLoaded(loaded: bigint, engines: number, failed: number): void {
      loads.inc({ outcome: 'ok' }, engines);
      loads.inc({ outcome: 'failed' }, failed);
      log.info({ version: String(loaded), engines, failed }, 'a policy version is loaded');
    },
    loadChanged(load: EngineFleetLoad): void {
      running.set(load.running);
      queued.set(load.queued);
      kvUsed.set(load.kvUsedRatio);
    },
  };
}

export type PolicyEvents = ReturnType<typeof createPolicyEvents>;
