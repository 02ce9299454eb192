import { defineEngineKind } from '../kit/engine-kind.ts';
import { connectSglang } from './client.ts';
import { sglangOptions } from './options.ts';
import { startSglang } from './start.ts';

export const sglang = defineEngineKind({
  kind: 'sglang',
  about: 'SGLang 0.5: token ids in and out, weights given while it runs, on GPUs.',
  options: sglangOptions,
  start: startSglang,
  connect: connectSglang,
});
