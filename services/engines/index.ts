import type { EngineKind } from './kit/engine-kind.ts';
import { vllm } from './vllm/vllm.ts';

/** Inference servers that a sidecar speaks to. */
export const engineKinds: readonly EngineKind[] = [vllm];
