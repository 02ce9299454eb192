/** Agents that leave before their turn is written, with OpenAI's own client through the gateway. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { FailureClass } from '#proto/rollout/v1/result_pb.ts';
import type { ScriptedRequest } from '../fakes/scripted-engine.ts';
import { useRolloutFleet } from '../rollout/fleet.ts';
import { agentFolder, agentTask, expectTrainedAsSampled, modelWithTemplate } from './agents.ts';

const startFleet = useRolloutFleet();

/** Asks, leaves once the engine writes, and goes on. */
const head = `import { existsSync, writeFileSync } from 'node:fs';
import OpenAI from 'openai';
const client = new OpenAI({ maxRetries: 0 });
const messages = [{ role: 'user', content: 'Who?' }];
async function leave(call, at) {
  const left = new AbortController();
  const asked = client.chat.completions.create({ model: 'any', ...call }, { signal: left.signal }).then(async (stream) => {
    for await (const _ of stream);
  });
  const gone = asked.then(() => 'answered', (error) => error.name);
  while (!existsSync(at)) await new Promise((go) => setTimeout(go, 20));
  left.abort();
  return await gone;
}
const ask = async (call) => (await client.chat.completions.create({ model: 'any', ...call })).choices[0].message;
`;

interface Played {
  readonly agent: string;
  /** What the policy writes; undefined for a turn that it writes until it is stopped. */
  readonly said: readonly (string | undefined)[];
}

async function play({ agent, said }: Played) {
  const folder = await agentFolder({ 'agent.mjs': head + agent });
  const stopped: number[] = [];
  let asked = 0;
  const script = async ({ signal }: ScriptedRequest): Promise<string> => {
    const at = asked;
    asked += 1;
    const text = said[at];
    if (text !== undefined) return text;
    await writeFile(join(folder, `writes-${at}`), '');
    return await new Promise<never>((_, reject) => {
      signal.addEventListener('abort', () => {
        stopped.push(at);
        reject(new Error('stopped'));
      });
    });
  };
  const fleet = await startFleet({ script, tokenizer: await modelWithTemplate() });
  await fleet.publish(agentTask('leaving', { directory: folder, command: [process.execPath, 'agent.mjs'] }));
  const result = await fleet.resultOf('leaving');
  const trajectory = await fleet.trajectoryOf(result);
  expectTrainedAsSampled(trajectory, fleet.engine);
  const metrics = await fleet.workers[0]?.metrics.render();
  return { result, stopped, metrics, texts: trajectory.segments.map(({ role, text }) => [role, text]) };
}

const prompt = 'user: Who?<|end|>\nassistant: ';

test('P4: a turn that its client leaves is stopped at the engine and of no rollout; the session lives, and what is asked again is written anew', async () => {
  const { result, stopped, metrics, texts } = await play({
    agent: `await leave({ messages, stream: true }, 'writes-0');
messages.push(await ask({ messages }));
messages.push({ role: 'user', content: 'Sure?' });
await leave({ messages, stream: true }, 'writes-2');
await ask({ messages });`,
    said: [undefined, 'She.', undefined, 'Yes.'],
  });
  expect(result).toMatchObject({ failure: FailureClass.UNSPECIFIED, failureDetail: '', turns: 2 });
  expect(stopped).toEqual([0, 2]);
  expect(texts).toEqual([
    ['', prompt],
    ['', 'She.'],
    ['', '<|end|>\nuser: Sure?<|end|>\nassistant: '],
    ['', 'Yes.'],
  ]);
  expect(result.environmentMetrics).toMatchObject({ conversations: 1, turns_abandoned: 2 });
  expect(metrics).toMatch(/gradus_rollout_abandoned_turns_total\S* 2$/m);
});

test('P4: what a client asks after it has left is read in the place of what it left', async () => {
  const { result, texts } = await play({
    agent: `await leave({ messages, stream: true }, 'writes-0');
const other = [{ role: 'user', content: 'Where?' }];
other.push(await ask({ messages: other }));
await leave({ messages, stream: true }, 'writes-2');
await ask({ messages: [...other, { role: 'user', content: 'Sure?' }] });`,
    said: [undefined, 'There.', undefined, 'Yes.'],
  });
  expect(texts).toEqual([
    ['', 'user: Where?<|end|>\nassistant: '],
    ['', 'There.'],
    ['', '<|end|>\nuser: Sure?<|end|>\nassistant: '],
    ['', 'Yes.'],
  ]);
  expect(result.environmentMetrics).toEqual({ conversations: 1, turns_abandoned: 2 });
});

test('an agent that asks and leaves without end meets the limit of turns', async () => {
  const { result, texts } = await play({
    agent: `for (let at = 0; ; at += 1) await leave({ messages, stream: true }, 'writes-' + at);`,
    said: [],
  });
  expect(result).toMatchObject({ failure: FailureClass.TURN_LIMIT, turns: 0 });
  expect(texts).toEqual([['', prompt]]);
});
