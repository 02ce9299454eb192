import { existsSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import type { Tokenizer } from '#chat/tokenizer.ts';
import type { EngineKind, ServerPlan, StartedServer } from '#engines/kit/engine-kind.ts';
import { deadlineSignal } from '#platform/async/deadline-signal.ts';
import { TerminalError } from '#platform/errors.ts';
import { startGuardian } from '#platform/runtime/guardian.ts';
import type { ServiceContext } from '#platform/runtime/run-service.ts';
import { checkWeights } from '#weights/manifest.ts';
import type { EngineSidecarConfig } from '../config.ts';
import type { ServedVersion } from '../versions/version-loads.ts';

export interface OwnServer {
  /** What it is started with first. */
  readonly base: ServerPlan;
  /** Within `startTimeoutMs`. */
  start(plan: ServerPlan): Promise<StartedServer>;
  planWith(served: ServedVersion): ServerPlan;
  /** What it served, unless that is gone or other by now: then what it was started with first, and anyone who asks finds an older version. */
  planAgain(served: ServedVersion): Promise<ServerPlan>;
  /** Lets go of what ends it with this process. */
  release(): void;
}

/** A server that is started here: with what, and for how long that may take. */
export function createOwnServer(
  kind: EngineKind,
  settings: Record<string, unknown>,
  config: EngineSidecarConfig,
  tokenizer: Tokenizer,
  { log, signal }: Pick<ServiceContext, 'log' | 'signal'>,
  variables: NodeJS.ProcessEnv,
): OwnServer {
  const { start } = kind;
  if (start === undefined) {
    throw new TerminalError(
      'invalid_argument',
      `${kind.kind}: cannot be started here; start it yourself and name it with --server`,
    );
  }
  const { maxContext, maxRunning, threads, device, startTimeoutMs } = config;
  const tokenizerDirectory = dirname(tokenizer.path);
  const modelDirectory = config.model === undefined ? tokenizerDirectory : resolve(config.model);
  const [computes, gpu] = device.split(':');
  const base: ServerPlan = {
    modelDirectory,
    tokenizerDirectory,
    version: 0n,
    maxContext,
    maxRunning,
    threads,
    device: computes === 'cpu' ? 'cpu' : 'cuda',
  };
  const guardian = startGuardian();
  const planWith = ({ version, weightsPath }: ServedVersion): ServerPlan => ({
    ...base,
    version,
    modelDirectory: weightsPath,
  });
  return {
    base,
    async start(plan) {
      using deadline = deadlineSignal(signal, startTimeoutMs, `${kind.kind}: its start`);
      const own = gpu === undefined ? variables : { ...variables, CUDA_VISIBLE_DEVICES: gpu };
      return await start(plan, settings, { log, guardian, variables: own, signal: deadline.signal });
    },
    planWith,
    async planAgain(served) {
      const { weightsPath, weightsDigest } = served;
      if (weightsPath === '' || !existsSync(weightsPath)) return base;
      const isWhole = await checkWeights(weightsPath, weightsDigest).then(
        () => true,
        () => false,
      );
      return isWhole ? planWith(served) : base;
    },
    release: () => guardian.release(),
  };
}
