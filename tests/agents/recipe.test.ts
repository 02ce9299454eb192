/** The agent of recipes/agent-langgraph.yaml, as the recipe says it. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { expect, onTestFinished, test } from 'vitest';
import { temporaryDirectory } from '#platform/files/directory-under-test.ts';
import { repositoryRoot } from '#platform/repository.ts';
import { FailureClass } from '#proto/rollout/v1/result_pb.ts';
import { checkTrajectory } from '#trajectory/check-trajectory.ts';
import { loadRecipe } from '../../services/cli/run/prepare-inputs.ts';
import { useRolloutFleet } from '../rollout/fleet.ts';
import { chain, pages } from '../rollout/task.ts';
import { agentTask, modelWithTemplate } from './agents.ts';

const startFleet = useRolloutFleet();
const nanoTemplate = await readFile(join(repositoryRoot, 'policies/nano/chat_template.jinja'), 'utf8');

/** Gives the address that it prints. */
async function startAgent(corpus: string): Promise<string> {
  const agent = spawn(process.execPath, [join(repositoryRoot, 'recipes/agents/langgraph.mjs'), corpus, '0'], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, PATH: `${join(repositoryRoot, 'node_modules/.bin')}:${process.env['PATH'] ?? ''}` },
  });
  onTestFinished(async () => {
    const ended = once(agent, 'exit');
    agent.kill();
    await ended;
  });
  for await (const line of createInterface({ input: agent.stdout })) {
    const url = /^listening at (\S+)$/.exec(line)?.[1];
    if (url !== undefined) return url;
  }
  throw new Error('the agent ended before it listened');
}

test("the recipe's LangGraph agent searches through MCP, and the policy reads the texts that the search environment would give", async () => {
  const corpus = join(await temporaryDirectory('gradus-agents-'), 'corpus.jsonl');
  await writeFile(corpus, pages.map((page) => JSON.stringify(page)).join('\n'));
  const { recipe } = await loadRecipe(join(repositoryRoot, 'recipes/agent-langgraph.yaml'));
  const [fleet, url] = await Promise.all([
    startFleet({ script: ({ turn }) => chain[turn] ?? '', tokenizer: await modelWithTemplate(nanoTemplate) }),
    startAgent(corpus),
  ]);
  await fleet.publish(agentTask('agent', { ...recipe.environment.options, webhook: { url } }));
  const result = await fleet.resultOf('agent', 200_000);
  expect(result).toMatchObject({
    failureDetail: '',
    failure: FailureClass.UNSPECIFIED,
    prediction: 'Verland Coast',
    reward: 1,
    toolCalls: 2,
  });
  const trajectory = await fleet.trajectoryOf(result);
  checkTrajectory(trajectory);
  expect(trajectory.segments.map(({ text }) => text)).toEqual([
    'What is the country of the birthplace of Halvard Brontley?',
    chain[0],
    '<result> [0042] Halvard Brontley: Halvard Brontley was born in Ostwick Marrow. </result>',
    chain[1],
    '<result> Ostwick Marrow: Ostwick Marrow is a town in Verland Coast. </result>',
    chain[2],
  ]);
  expect(fleet.engine.generated.at(-1)?.request.sampling?.stop).toEqual(['</tool>', '</answer>']);
});
