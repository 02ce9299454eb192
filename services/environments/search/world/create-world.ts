import { z } from 'zod';
import { TerminalError } from '#platform/errors.ts';
import type { MuSiqueRow } from '#questions/musique/musique-row.ts';
import { createRegistry, createSubWorld, maximumEntities, minimumEntities, type SubWorld } from './entities.ts';
import { pagesOf, type Page, questionsOf } from './questions.ts';
import { createRandom } from './random.ts';

export type Split = 'train' | 'held_out';

const entityCount = z.int().min(minimumEntities).max(maximumEntities);

const worldOptionsSchema = z.strictObject({
  seed: z.int().min(0).describe('Same seed and sizes give the same bytes.'),
  trainEntities: entityCount.describe('Entities, and so pages, that train questions are about.'),
  heldOutEntities: entityCount.describe('Entities of the held-out questions; none is shared with train.'),
});
export type WorldOptions = z.infer<typeof worldOptionsSchema>;

export interface World {
  /** The corpus of both splits, in the order of ids. */
  readonly pages: readonly Page[];
  /** `count` distinct questions; the same call gives the same rows. */
  questions(split: Split, count: number): MuSiqueRow[];
}

/** Builds a synthetic world: two sets of entities that share no entity and no fact, in one corpus. */
export function createWorld(options: WorldOptions): World {
  const parsed = worldOptionsSchema.safeParse(options, { reportInput: true });
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    throw new TerminalError(
      'invalid_argument',
      `world option ${issue?.path.join('.') ?? ''}: ${issue?.message ?? 'invalid'} (got ${String(issue?.input)})`,
    );
  }
  const { seed, trainEntities, heldOutEntities } = parsed.data;
  if (trainEntities + heldOutEntities > maximumEntities) {
    throw new TerminalError(
      'invalid_argument',
      `trainEntities + heldOutEntities is ${trainEntities + heldOutEntities}, but a world holds at most ${maximumEntities}: ask for fewer`,
    );
  }
  const random = createRandom(`world/${seed}`);
  const registry = createRegistry(random);
  let facts = 0;
  const nextFact = (): number => ++facts;
  const subWorlds: Readonly<Record<Split, SubWorld>> = {
    train: createSubWorld(trainEntities, registry, random.fork('train'), nextFact),
    held_out: createSubWorld(heldOutEntities, registry, random.fork('held_out'), nextFact),
  };
  const pageRandom = random.fork('pages');
  const pages = [...pagesOf(subWorlds.train, pageRandom), ...pagesOf(subWorlds.held_out, pageRandom)];
  const pageById = new Map(pages.map((page) => [page.id, page]));
  return {
    pages: pages.sort((a, b) => (a.id < b.id ? -1 : 1)),
    questions: (split, count) => questionsOf(subWorlds[split], pageById, count, random.fork(`questions/${split}`)),
  };
}
