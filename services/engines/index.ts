import type { EngineKind } from './kit/engine-kind.ts';
import { llamaCpp } from './llama-cpp/llama-cpp.ts';
import { sglang } from './sglang/sglang.ts';
import { vllm } from './vllm/vllm.ts';

/** Inference servers that a sidecar speaks to. */
export const engineKinds: readonly EngineKind[] = [vllm, sglang, llamaCpp];
