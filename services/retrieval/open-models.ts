import { availableParallelism } from 'node:os';
import { TerminalError, TransientError, errorFrom } from '#platform/errors.ts';
import type { RetrievalConfig } from './config.ts';
import type { CrossEncoder } from './models/cross-encoder.ts';
import type { Encoder, EncoderOptions } from './models/encoder.ts';
import type { HubSettings } from './models/hub-settings.ts';

export interface Models {
  readonly encoder: Encoder | undefined;
  readonly crossEncoder: CrossEncoder | undefined;
  /** Why one that was asked for is not there. */
  readonly encoderMissing: string | undefined;
  readonly crossEncoderMissing: string | undefined;
  dispose(): Promise<void>;
}

/**
 * Opens what the config names; the encoder with the settings that the vectors of an index were made with. Weights that
 * cannot be had are reported, and are no reason not to serve.
 */
export async function openModels(
  config: Pick<RetrievalConfig, 'encoder' | 'reranker' | 'modelThreads'>,
  hub: HubSettings,
  signal: AbortSignal,
  encoderSettings: EncoderOptions['settings'] = {},
): Promise<Models> {
  const options = { hub, threads: modelThreads(config), maxPendingTexts: mostPendingTexts, signal };
  const encoder = await opened(config.encoder, async (reference) => {
    const { openEncoder } = await import('./models/encoder.ts');
    return await openEncoder(reference, { ...options, settings: encoderSettings });
  });
  const crossEncoder = await opened(config.reranker, async (reference) => {
    const { openCrossEncoder } = await import('./models/cross-encoder.ts');
    return await openCrossEncoder(reference, options);
  });
  return {
    encoder: encoder?.model,
    crossEncoder: crossEncoder?.model,
    encoderMissing: encoder?.missing,
    crossEncoderMissing: crossEncoder?.missing,
    async dispose() {
      await Promise.all([encoder?.model?.dispose(), crossEncoder?.model?.dispose()]);
    },
  };
}

/** Queries wait before the models, bounded by admission; what lies in them is a few batches. */
const mostPendingTexts = 65_536;

export function modelThreads({ modelThreads: threads }: Pick<RetrievalConfig, 'modelThreads'>): number {
  return threads === 0 ? availableParallelism() : threads;
}

async function opened<M>(
  reference: string | undefined,
  open: (reference: string) => Promise<M>,
): Promise<{ readonly model?: M; readonly missing?: string } | undefined> {
  if (reference === undefined) return undefined;
  try {
    return { model: await open(reference) };
  } catch (thrown) {
    const error = errorFrom(thrown);
    const absent =
      error instanceof TransientError ||
      (error instanceof TerminalError &&
        ['failed_precondition', 'not_found', 'permission_denied'].includes(error.code));
    if (!absent) throw error;
    return { missing: error.message };
  }
}
