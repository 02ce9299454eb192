import { z } from 'zod';
import { defineEngineKind } from '../kit/engine-kind.ts';
import { connectLlamaCpp } from './client.ts';

export const llamaCpp = defineEngineKind({
  kind: 'llama_cpp',
  about: "llama.cpp's server, for evaluation: token ids in and out, of the weights that it was started with.",
  options: z.strictObject({}),
  connect: connectLlamaCpp,
});
