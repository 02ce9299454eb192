import { defineEngineKind } from '../kit/engine-kind.ts';
import { connectVllm } from './client.ts';
import { vllmOptions } from './options.ts';
import { startVllm } from './start.ts';

export const vllm = defineEngineKind({
  kind: 'vllm',
  about: 'vLLM 0.32 or later: token ids in and out, weights given while it runs, on GPUs or CPUs.',
  options: vllmOptions,
  start: startVllm,
  connect: (baseUrl, { model_name: modelName }) => connectVllm(baseUrl, modelName),
});
