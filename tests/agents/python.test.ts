/** Agents of Python's frameworks, unmodified: each has its own loop, and knows nothing of Gradus but a base URL and a key. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { repositoryRoot } from '#platform/repository.ts';
import { FailureClass } from '#proto/rollout/v1/result_pb.ts';
import { openenvServers, startOpenenvServer } from '../fixtures/openenv/start-server.ts';
import { startHttpApi } from '../retrieval/http-api.ts';
import { useRolloutFleet } from '../rollout/fleet.ts';
import { pages } from '../rollout/task.ts';
import { agentTask, expectTrainedAsSampled, modelWithTemplate } from './agents.ts';

const startFleet = useRolloutFleet();

interface Agent {
  readonly agent: string;
  readonly args?: readonly string[];
  /** Turns of the policy. */
  readonly says: readonly string[];
  /** Where its framework writes what was said in words of its own, each call begins one. */
  readonly conversations: number;
  readonly options?: object;
  /** Starts what the agent uses, and gives its address, the last argument. */
  readonly start?: () => Promise<string>;
}

/** In a spelling that no client has, so that one which writes a call anew into the sequence is found out. */
const call = (name: string, args: string): string =>
  `<tool_call>{"name":  "${name}", "arguments":   ${args}}</tool_call>`;
const born = call('birthplace', '{"of":  "Halvard Brontley"}');

async function startSearch(): Promise<string> {
  return `${(await startHttpApi({ pages })).url}/mcp`;
}

const search = [
  call('websearch', '{"query":  "Halvard Brontley"}') + call('websearch', '{"query":  "Ostwick Marrow"}'),
  call('scrape', '{"id":  "1733"}'),
  'Verland Coast',
];

playedWith('agents-python', [
  { agent: 'anthropic_client', says: [born, 'Verland Coast'], conversations: 1 },
  ...['whole', 'streamed'].flatMap((how) => [
    { agent: 'openai_client', args: [how], says: [born, 'Verland Coast'], conversations: 1 },
    ...['responses', 'chat_completions'].map((api) => ({
      agent: 'openai_agents',
      args: [api, how],
      says: [born, 'Verland Coast'],
      conversations: 1,
    })),
    { agent: 'langgraph_react', args: [how], says: search, conversations: 1, start: startSearch },
  ]),
  {
    agent: 'smolagents_agent',
    args: ['ToolCallingAgent'],
    says: [born, call('final_answer', '{"answer":  "Verland Coast"}')],
    conversations: 2,
    options: { sampling: 'ignored' },
  },
  {
    agent: 'smolagents_agent',
    args: ['CodeAgent'],
    says: [
      "Thought: I ask.\n<code>\nplace = birthplace(of='Halvard Brontley')\nprint(place)\n</code>",
      "Thought: I know.\n<code>\nfinal_answer(place.split(', ')[1])\n</code>",
    ],
    conversations: 2,
    options: { sampling: 'ignored' },
  },
  {
    agent: 'openenv_rollout',
    says: [call('run', '{"code":  "print(1)"}'), call('run', '{"code":  "print(\'Verland Coast\')"}')],
    conversations: 1,
    options: { sampling: 'ignored', rewards: ['environment_reward'] },
    start: async () =>
      (await startOpenenvServer(pythonOf('agents-python'), (port) => [openenvServers, 'coding', `${port}`])).url,
  },
]);

playedWith('agents-verifiers', [
  {
    agent: 'verifiers_episode',
    says: [born, 'Verland Coast'],
    conversations: 1,
    options: { rewards: ['environment_reward'] },
  },
]);

function pythonOf(folder: string): string {
  return join(repositoryRoot, '.build', folder, 'bin/python');
}

function playedWith(folder: string, agents: readonly Agent[]): void {
  const python = pythonOf(folder);
  const installed = existsSync(python);
  if (!installed) {
    const names = agents.map(({ agent }) => agent).join(', ');
    console.warn(`skipped: ${names}; \`make agents-python\` installs their packages into .build/${folder}`);
  }
  const named = agents.map((one) => ({ ...one, name: [one.agent, ...(one.args ?? [])].join(' ') }));

  describe.skipIf(!installed)('P4: an agent is trained on the tokens that were sampled', () => {
    test.each(named)(
      '$name',
      { timeout: 600_000 },
      async ({ agent, args = [], says, conversations, options, start }) => {
        let turn = 0;
        // Frameworks have long prompts, and take long to start where many others do.
        const maxContextTokens = 32_768;
        const limits = {
          contextTokens: maxContextTokens,
          maxTurns: 6,
          toolTimeoutMs: 240_000,
          turnTimeoutMs: 250_000,
          rolloutTimeoutMs: 500_000,
        };
        const fleet = await startFleet({
          script: () => says[turn++] ?? '',
          tokenizer: await modelWithTemplate(),
          maxContextTokens,
          variables: process.env,
        });
        const address = await start?.();
        const given = {
          command: [
            python,
            join(import.meta.dirname, 'python', `${agent}.py`),
            ...args,
            ...(address === undefined ? [] : [address]),
          ],
          start_timeout_ms: 240_000,
          memory_mebibytes: 4096,
          ...options,
        };
        const sampling = { temperature: 1, maxNewTokens: 512, seed: 11n };
        await fleet.publish(agentTask(agent, given, { limits, sampling }));
        const result = await fleet.resultOf(agent, 550_000);
        expect(result).toMatchObject({
          failureDetail: '',
          failure: FailureClass.UNSPECIFIED,
          prediction: 'Verland Coast',
          reward: 1,
          turns: says.length,
          environmentMetrics: { conversations },
        });
        expectTrainedAsSampled(await fleet.trajectoryOf(result), fleet.engine);
      },
    );
  });
}
