import type { EngineServer, ServerRequest } from '../kit/engine-server.ts';

/** Where the version lies that is loaded; its name in recordings. */
export const recordedDirectory = '/versions/7';

export const plain: ServerRequest = {
  requestId: 'plain',
  tokenIds: [10, 20, 30, 40],
  temperature: 0.6,
  topP: 1,
  topK: 0,
  maxNewTokens: 8,
  seed: 2 ** 53 - 1,
  stop: [],
  priority: 0,
  cacheNamespace: 'gradus-0',
};

/** Turns that are held to a form; the last two definitions are none. */
export const formed = {
  json: { kind: 'json_object', definition: '' },
  regex: { kind: 'regex', definition: '[ab]{3}' },
  badSchema: { kind: 'json_schema', definition: '{"type": "nonsense"}' },
} as const;

export const formedTurn = (name: keyof typeof formed): ServerRequest => ({
  ...plain,
  requestId: name,
  maxNewTokens: 64,
  form: formed[name],
});

/** As `askAll`, of forms. The model needs a tokenizer_config.json with its eos_token: without one the server cannot end what it holds to a form. */
export async function askForms(server: EngineServer, signal: AbortSignal) {
  const { forms } = await server.describe(signal);
  const json = await server.generate(formedTurn('json'), signal);
  const regex = await server.generate(formedTurn('regex'), signal);
  const scores = await server.score?.([...plain.tokenIds, ...regex.tokenIds], signal);
  const refused = await server.generate(formedTurn('badSchema'), signal).catch((thrown: unknown) => thrown);
  return { forms, json, regex, scores, refused };
}

/** What is asked of the real server when exchanges are recorded, and of the recordings in tests. */
export async function askAll(server: EngineServer, directory: string, signal: AbortSignal) {
  const description = await server.describe(signal);
  const turn = await server.generate(plain, signal);
  const again = await server.generate({ ...plain, requestId: 'again' }, signal);
  const stopped = await server.generate(
    {
      ...plain,
      requestId: 'stopped',
      tokenIds: [1143, 1484],
      temperature: 1,
      seed: 3,
      maxNewTokens: 64,
      stop: ['is', 'e '],
    },
    signal,
  );
  const greedy = await server.generate({ ...plain, requestId: 'greedy', temperature: 0, maxNewTokens: 2 }, signal);
  const scores = await server.score?.([...plain.tokenIds, ...turn.tokenIds], signal);
  const ids = await server.tokenize?.('The quick brown fox', signal);
  const status = await server.status(signal);
  await server.load?.({ version: 7n, directory }, signal);
  const loaded = await server.generate({ ...plain, requestId: 'loaded', cacheNamespace: 'gradus-7' }, signal);
  return { description, turn, again, stopped, greedy, scores, ids, status, loaded };
}
