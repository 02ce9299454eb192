import { expect, test } from 'vitest';
import { createEnvironmentRegistry } from '../registry.ts';

const clients = {
  retrieval: () => {
    throw new Error('no sum needs retrieval');
  },
  userCode: () => Promise.reject(new Error('no sum needs processes')),
};
const io = { signal: new AbortController().signal, seed: 1n, toolTimeoutMs: 1000 };

async function begin(options: object = {}) {
  const registry = createEnvironmentRegistry(clients);
  const { environment } = await registry.acquire('arithmetic', options);
  return await environment.start({ id: 's', data: { question: '12+7' }, tags: { digits: '2' } }, io);
}

test('a sum is asked in one prompt, and what is written up to the stop is the answer', async () => {
  const episode = await begin();
  expect(episode.prompt()).toBe('12+7=');
  expect(await episode.step({ index: 0, text: ' 19\n' }, io)).toEqual({ kind: 'done', prediction: '19' });
  const other = await begin({ prompt_template: 'Q {question} A', stop: ';' });
  expect(other.prompt()).toBe('Q 12+7 A');
  expect(await other.step({ index: 0, text: '19; and 20;' }, io)).toMatchObject({ prediction: '19' });
});

test('nothing, and an answer that a limit cut, are failures of the policy', async () => {
  expect(await (await begin()).step({ index: 0, text: ' \n' }, io)).toEqual({
    kind: 'done',
    failure: 'malformed_turn',
  });
  expect(await (await begin()).step({ index: 0, text: '1', cutBy: 'turn' }, io)).toEqual({
    kind: 'done',
    failure: 'truncated_turn',
  });
});

test('an unknown option is refused by name', async () => {
  await expect(begin({ prompt: 'x' })).rejects.toThrow(/environment arithmetic: .*prompt/);
});
