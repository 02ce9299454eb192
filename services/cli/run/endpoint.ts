import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { retry } from '#platform/async/retry.ts';
import { createChatEndpoint } from '#endpoint/chat-endpoint.ts';
import { errorFrom } from '#platform/errors.ts';
import { readKeyVariable } from '#endpoint/api-key.ts';
import type { Recipe } from '#recipe/schema.ts';
import { endpointSettings } from '#recipe/run-parts.ts';

type Endpoint = NonNullable<Recipe['model']['endpoint']>;

/** A server that loads its model may take a while to answer first. */
const answerMs = 60_000;
const attempts = 4;

/** In the place of a model directory: what a run stands on, without the key. A resumed run notices that it is another one. */
export async function writeEndpoint(endpoint: Endpoint, directory: string): Promise<string> {
  await mkdir(directory, { recursive: true });
  await writeFile(join(directory, 'endpoint.json'), `${JSON.stringify(endpoint, undefined, 2)}\n`);
  return directory;
}

/** Asks the recipe's endpoint for a few tokens: what it refuses is said before anything starts. */
export async function endpointProblems(
  { recipe: { model } }: { readonly recipe: Pick<Recipe, 'model'> },
  variables: NodeJS.ProcessEnv,
): Promise<string[]> {
  if (model.endpoint === undefined) return [];
  const settings = endpointSettings(model.endpoint);
  const { apiKeyEnv } = settings;
  try {
    const key =
      apiKeyEnv === undefined ? undefined : readKeyVariable('model.endpoint.api_key_env', apiKeyEnv, variables);
    const endpoint = createChatEndpoint(settings, key);
    const signal = AbortSignal.timeout(answerMs);
    // Models that think take neither another temperature nor less room than that.
    const ask = () =>
      endpoint.complete([{ role: 'user', content: 'Hello' }], { temperature: 1, maxTokens: 16 }, signal);
    await retry(ask, { signal, attempts, baseMs: 500, maxMs: 5_000 });
    return [];
  } catch (thrown) {
    return [`model.endpoint: ${errorFrom(thrown).message}`];
  }
}
