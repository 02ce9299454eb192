import { expect, onTestFinished, test } from 'vitest';
import { parse } from 'yaml';
import { openOpenenv } from '#environments/openenv/index.ts';
import { openenvOptions } from '#environments/openenv/options.ts';
import { startServerUnderTest } from '../../services/environments/openenv/server-under-test.ts';
import { docBlocks } from '../fixtures/doc-blocks.ts';

const blocks = docBlocks('how-to/openenv.md');
const io = { signal: new AbortController().signal, seed: 7n, toolTimeoutMs: 60_000 };

/** The options of a block of the page, with the server of this test in the place of its own. */
async function play(
  block: string,
  row: Record<string, unknown>,
  answer: (type: string, data: Record<string, unknown>) => object,
) {
  const server = await startServerUnderTest((message, connection) => {
    if (message === undefined || message.type === 'close') return;
    const data = { reward: null, done: false, ...answer(message.type, message.data as Record<string, unknown>) };
    connection.send(JSON.stringify({ type: 'observation', data }));
  });
  onTestFinished(async () => await server[Symbol.asyncDispose]());
  const recipe = parse(blocks.get(block) ?? '') as { environment: { name: string; options: { urls: string[] } } };
  expect(recipe.environment.name).toBe('openenv');
  const urls = recipe.environment.options.urls.map(() => server.url);
  const options = openenvOptions.parse({ ...recipe.environment.options, urls });
  return await openOpenenv(options).start({ id: 'r1', data: row, tags: {} }, io);
}

test('the page on OpenEnv: text as the action', async () => {
  const episode = await play('text.yaml', {}, (_type, { message = 'ready!' }) => ({
    observation: { echoed_message: message, message_length: 5 },
    reward: 0.5,
  }));
  expect(episode.prompt()).toBe('ready! Say something long.\n');
  expect(await episode.step({ index: 0, text: 'hello' }, io)).toMatchObject({ kind: 'continue', text: '\nhello\n' });
  expect(await episode.step({ index: 1, text: 'hello' }, io)).toMatchObject({
    kind: 'done',
    rewards: { environment_reward: 0.5 },
  });
});

test('the page on OpenEnv: tool calls as actions', async () => {
  const add = { name: 'add', description: 'Adds.', input_schema: { type: 'object' } };
  const episode = await play('tools.yaml', { question: 'How much is 2 and 3?' }, (_type, { type, arguments: args }) => {
    if (type === 'list_tools') return { observation: { tools: [add] } };
    if (type === 'call_tool') return { observation: { tool_name: 'add', result: { data: args } }, reward: 1 };
    return { observation: {} };
  });
  expect(episode.prompt()).toBe(
    'Tools, one a line:\n{"name":"add","description":"Adds.","parameters":{"type":"object"}}\n\nHow much is 2 and 3?\n',
  );
  const call = '<tool_call>{"name": "add", "arguments": {"a": 2}}</tool_call>';
  expect(await episode.step({ index: 0, text: call }, io)).toMatchObject({
    kind: 'continue',
    text: '<tool_response> {"a":2} </tool_response>',
  });
  expect(await episode.step({ index: 1, text: '<answer>5</answer>' }, io)).toMatchObject({
    kind: 'done',
    prediction: '5',
    rewards: { environment_reward: 1 },
  });
});
