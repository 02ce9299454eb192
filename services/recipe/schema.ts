import { z } from 'zod';
import { stageKinds } from '#stages/index.ts';
import { declaredScorersSchema, judgesSchema } from './reward-parts.ts';
import { snakeShape } from './snake-shape.ts';
import { serverFields } from '#endpoint/server-fields.ts';
import { environmentSchema } from './environment-schema.ts';
import { fleetSchema } from './fleet-schema.ts';
import { checkpointsSchema, dataSchema, evalSchema, inputPath, retrievalSchema } from './run-parts.ts';

type Schemas<Kinds extends readonly { readonly schema: z.ZodObject }[]> = {
  [Index in keyof Kinds]: Kinds[Index]['schema'];
};
// `map` forgets that there is one for each kind.
const stageSchemas = stageKinds.map(({ schema }) => schema) as unknown as Schemas<typeof stageKinds>;

export const recipeSchema = z
  .strictObject({
    name: z
      .string()
      .regex(/^[a-z0-9][a-z0-9-]{0,62}$/, 'must be 1..63 of a-z, 0-9 and -')
      .describe('Name of the recipe.'),
    seed: z
      .int()
      .min(0)
      .max(2 ** 31 - 1)
      .default(1)
      .describe('Seed of prompts, sampling and training.'),
    model: z
      .strictObject({
        path: inputPath
          .optional()
          .describe(
            'Directory with config.json, tokenizer.json, and model.safetensors or its shards with model.safetensors.index.json, relative to the recipe; or `artefact:DIGEST` of a store.',
          ),
        endpoint: z
          .strictObject(snakeShape(serverFields))
          .optional()
          .describe(
            'In place of `path`: a server that speaks the chat completions API. It is evaluated; nothing is trained.',
          ),
        weights: z
          .enum(['random', 'copying'])
          .optional()
          .describe(
            'Start from fresh weights, seeded by `seed`, for the config.json and tokenizer.json of `path`: `random`, or with heads that copy from the first step (small models). By default those of `path`.',
          ),
        backend: z
          .enum(['builtin', 'transformers'])
          .optional()
          .describe(
            "Whose code computes it in the learner: `builtin`, the default, is Gradus' own (Qwen3, Qwen2.5, Llama); `transformers` is for any causal language model that this package has; it is installed next to the learner. The built-in engine serves models of the former alone.",
          ),
        lora: z
          .strictObject({
            rank: z
              .int()
              .min(1)
              .max(4096)
              .default(16)
              .describe('Of each adapter, at most the smaller side of its matrix.'),
            alpha: z
              .number()
              .positive()
              .max(1_000_000)
              .default(32)
              .describe('What an adapter gives is multiplied by alpha / rank.'),
            target_modules: z
              .array(z.string().regex(/^\w{1,64}$/, 'must be a name such as q_proj'))
              .max(64)
              .default([])
              .describe("Which of the layers' matrices have one, such as q_proj; empty is all of them."),
          })
          .optional()
          .describe(
            'Train low-rank adapters next to weights that are frozen, with less memory: no gradients and moments of the weights. Engines get versions with the adapters added in. A larger learning rate than for all weights is usual.',
          ),
        source: z.string().min(1).max(512).optional().describe('Where the weights come from; for people.'),
      })
      .describe('The policy that is trained; version 0.'),
    data: dataSchema,
    environment: environmentSchema,
    retrieval: retrievalSchema.prefault({}),
    fleet: fleetSchema.prefault({}),
    eval: evalSchema.prefault({}),
    checkpoints: checkpointsSchema.prefault({}),
    judges: judgesSchema.optional(),
    scorers: declaredScorersSchema.optional(),
    stages: z
      .array(z.discriminatedUnion('kind', stageSchemas).describe('One step of the climb.'))
      .min(1)
      .max(64)
      .describe('Run in order; each starts from the policy of the one before.'),
  })
  .describe('A run from base model to final checkpoint.');

export type Recipe = z.output<typeof recipeSchema>;
export type StageRecipe = Recipe['stages'][number];
