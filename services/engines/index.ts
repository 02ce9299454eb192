import type { EngineKind } from './kit/engine-kind.ts';

/** Inference servers that a sidecar speaks to. */
export const engineKinds: readonly EngineKind[] = [];
