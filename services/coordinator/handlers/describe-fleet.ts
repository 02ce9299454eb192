import { version } from '#platform/version.ts';
import { readOffer } from '#submission/offered-recipe.ts';
import { submissionContract } from '#submission/contract.ts';
import type { CoordinatorConfig } from '../config.ts';

export async function describeFleet({ home, maxRuns, maxQueuedRuns }: CoordinatorConfig): Promise<{
  contract: number;
  version: string;
  recipePath: string;
  maxRuns: number;
  maxQueuedRuns: number;
}> {
  const offered = home === undefined ? undefined : await readOffer(home);
  return { contract: submissionContract, version, recipePath: offered?.recipe_path ?? '', maxRuns, maxQueuedRuns };
}
