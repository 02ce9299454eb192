import { expect, test } from 'vitest';
import { FailureClass } from '#proto/rollout/v1/result_pb.ts';
import { checkTrajectory } from '#trajectory/check-trajectory.ts';
import { concatenateTokens, segmentsOfRole } from '#trajectory/segments.ts';
import { loadTokenizer } from '#chat/tokenizer.ts';
import { tokenizerPath, useRolloutFleet } from '../rollout/fleet.ts';
import { agentFolder, agentTask, modelWithTemplate } from './agents.ts';

const startFleet = useRolloutFleet();

const agent = `
import OpenAI from 'openai';
const client = new OpenAI();
const ask = async (messages) => (await client.chat.completions.create({ model: 'any', messages })).choices[0].message;
const main = [{ role: 'user', content: 'Plan.' }];
main.push(await ask(main), { role: 'user', content: 'Go on.' });
// A sub-agent, and the main conversation again.
const [helped] = await Promise.all([ask([{ role: 'system', content: 'You help.' }, { role: 'user', content: 'Look.' }])]);
main.push(await ask(main));
// Its history in other words.
await ask([{ role: 'user', content: 'So far: ' + helped.content }]);
`;

test('P4: an agent that rewrites its history or asks a sub-agent has a sequence for each conversation, all as the engine saw them', async () => {
  const folder = await agentFolder({ 'agent.mjs': agent });
  const said = ['A plan.', 'It is there.', 'Done.', 'Verland Coast'];
  let turn = 0;
  const fleet = await startFleet({ script: () => said[turn++] ?? '', tokenizer: await modelWithTemplate() });
  await fleet.publish(agentTask('branches', { directory: folder, command: [process.execPath, 'agent.mjs'] }));
  const result = await fleet.resultOf('branches');
  expect(result).toMatchObject({
    failure: FailureClass.UNSPECIFIED,
    prediction: 'Verland Coast',
    turns: 4,
    environmentMetrics: { conversations: 3 },
    roles: [
      { role: '', turns: 2 },
      { role: 'branch-1', turns: 1 },
      { role: 'branch-2', turns: 1 },
    ],
  });
  const trajectory = await fleet.trajectoryOf(result);
  checkTrajectory(trajectory);
  expect(trajectory.segments.map(({ role, text }) => [role, text])).toEqual([
    ['', 'user: Plan.<|end|>\nassistant: '],
    ['', 'A plan.'],
    ['branch-1', 'system: You help.<|end|>\nuser: Look.<|end|>\nassistant: '],
    ['branch-1', 'It is there.'],
    ['', '<|end|>\nuser: Go on.<|end|>\nassistant: '],
    ['', 'Done.'],
    ['branch-2', 'user: So far: It is there.<|end|>\nassistant: '],
    ['branch-2', 'Verland Coast'],
  ]);
  const { encode } = await loadTokenizer(tokenizerPath);
  const asked = fleet.engine.generated.map(({ request }) => [...request.tokenIds]);
  const seen = { '': [asked[2], said[2]], 'branch-1': [asked[1], said[1]], 'branch-2': [asked[3], said[3]] } as const;
  for (const [role, [ids, text]] of Object.entries(seen))
    expect(concatenateTokens(segmentsOfRole(trajectory.segments, role))).toEqual([
      ...(ids ?? []),
      ...encode(text ?? ''),
    ]);
});
