import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { FailureClass, RolloutResultSchema } from '#proto/rollout/v1/result_pb.ts';
import { Purpose } from '#proto/rollout/v1/task_pb.ts';
import { publishMessage } from '#platform/nats/publish.ts';
import { subjects } from '#platform/nats/streams.ts';
import { claimHome } from '../../services/fleet/claim-home.ts';
import { rewardExplainCommand } from '../../services/cli/commands/reward-explain.ts';
import { composeRecorded } from '../../services/run/rollouts/recorded-reward.ts';
import { groupStory } from '../../services/run/group-story.ts';
import { readResults } from '../../services/run/rollouts/results.ts';
import { createColours } from '../../services/cli/terminal/colours.ts';
import { textOf, type Terminal } from '../../services/cli/terminal/terminal.ts';
import { startScriptedJudge } from '../fakes/scripted-judge.ts';
import { qualityOf, startGroupwiseFleet } from '../coordinator/groupwise-run.ts';
import { isTraining } from '../coordinator/played-worker.ts';
import { startRolloutFleet, type RolloutFleet } from '../rollout/fleet.ts';
import { runId, taskOf } from '../rollout/task.ts';

const search = '<tool>{"name": "websearch", "args": {"query": "Halvard Brontley"}}</tool>';
const scripts: Readonly<Record<string, readonly string[]>> = {
  good: [search, '<answer> Verland Coast </answer>'],
  grand: [search, search, '<answer> Ostwick Marrow or Verland Coast or Talmere </answer>'],
};
const scoring = {
  scorers: [{ name: 'exact_match' }, { name: 'tool_success' }, { name: 'format' }],
  judged: [{ name: 'correct', judge: 'main', method: { case: 'grade', value: { notAttempted: 0 } } }],
  composition: {
    weights: [
      { name: 'exact_match', weight: 1 },
      { name: 'tool_success', weight: 0.5 },
      { name: 'correct', weight: 0.5 },
    ],
    normalize: true,
    penalties: [{ name: 'candidate_list', size: 0.5 }],
    gates: [{ name: 'format', atLeast: 1, otherwise: 0 }],
    clipLow: 0,
  },
} satisfies Parameters<typeof taskOf>[1];

const cleanups: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (let next = cleanups.pop(); next !== undefined; next = cleanups.pop()) await next();
});

async function start(): Promise<RolloutFleet> {
  const judge = await startScriptedJudge({ script: () => 'A' });
  cleanups.push(() => judge[Symbol.asyncDispose]());
  const fleet = await startRolloutFleet({
    script: ({ sessionId, turn }) =>
      scripts[sessionId.split('-')[0] ?? '']?.[turn] ?? '<answer> nobody knows </answer>',
    reward: { judges: { main: { baseUrl: judge.baseUrl, model: 'm' } } },
  });
  cleanups.push(() => fleet[Symbol.asyncDispose]());
  return fleet;
}

/** A home whose fleet is the test's own. */
async function homeOf(natsUrl: string): Promise<string> {
  const home = await mkdtemp(join(tmpdir(), 'gradus-explain-'));
  cleanups.push(() => rm(home, { recursive: true, force: true }));
  const paths = { model: '', train: '', held_out: '', corpus: '' };
  const nothing = { recipePath: '', key: '', paths, inputs: [], logs: '', services: [] };
  const claim = await claimHome(home, { ...nothing, owner: 'up', natsUrl });
  cleanups.push(() => claim.release());
  return home;
}

async function explain(
  home: string,
  id: string | undefined,
  options: { json?: boolean; run?: string; compare?: string } = {},
) {
  const out: string[] = [];
  const terminal: Terminal = {
    out: (lines) => void out.push(textOf(lines).replace(/\n$/, '')),
    err: () => {},
    status: () => {},
    interactive: false,
    columns: 100,
    colours: createColours(false),
  };
  expect(await rewardExplainCommand(id, { home, json: false, ...options }, terminal)).toBe(0);
  return out.join('\n');
}

describe('gradus reward explain', () => {
  it('says of a rollout that a worker played what each number came from, up to its reward', async () => {
    const fleet = await start();
    for (const id of ['good-1', 'grand-1']) await fleet.publish(taskOf(id, scoring));
    const good = await fleet.resultOf('good-1');
    expect((await fleet.resultOf('grand-1')).reward).toBeCloseTo(1 / 6, 9);
    const home = await homeOf(fleet.natsUrl);

    const text = await explain(home, 'good');
    const lines = text.split('\n');
    for (const line of [
      'rollout good-1',
      `run ${runId}, stage tool-use, training, group group-of-goo, sample 0, attempt 0`,
      'question: What is the country of the birthplace of Halvard Brontley?',
      'gold: "Verland Coast", "the Coast"',
      'prediction: "Verland Coast"',
      'exact_match 1',
      '  equal to answer 1 of 2, "Verland Coast", "verland coast" after normalisation',
      'tool_success 1',
      '  turn 1: "websearch" succeeded',
      'correct 1',
      '  grade: correct',
      'no detector of 6 fired',
      'normalize: 2 / 2, the sum of the weights = 1',
      'penalty candidate_list: 1 - 0.5 x 0 = 1',
      'gate format: format is 1, at least 1: it holds',
      'reward: 1',
    ])
      expect(lines).toContain(line);
    expect(lines.find((line) => line.startsWith('│ exact_match'))).toMatch(/│ +1 │ +1 │ +1 │ the same +│/);
    expect(lines.find((line) => line.startsWith('│ correct'))).toMatch(/│ +0\.5 │ +1 │ +0\.5 │ not asked again │/);
    expect(text).toMatch(/ {2}from reply "[^"]+" \(asked\)/);

    const hacked = await explain(home, 'grand-1');
    expect(hacked).toContain('detector candidate_list 0.6666');
    expect(hacked).toContain('  candidates: "ostwick marrow", "verland coast", "talmere"');

    const json: unknown = JSON.parse(await explain(home, 'good-1', { json: true, run: runId }));
    expect(json).toMatchObject({
      result: { components: good.components },
      total: good.reward,
      differs: [],
      group: null,
    });
    const other = { ...taskOf('grand-2', scoring), groupId: 'group-of-good-1', sampleIndex: 1 };
    await fleet.publish(other);
    await fleet.resultOf('grand-2');
    const compared = (await explain(home, 'good-1', { compare: 'grand-2' })).split('\n');
    expect(compared).toContain('grand-2: "Ostwick Marrow or Verland Coast or Talmere"');
    const rows = compared.map((line) => line.replaceAll(/[│\s]+/g, ' ').trim());
    expect(rows).toContain('exact_match x 1 1 0 1');
    expect(rows).toContain('detector candidate_list 0 0.666667 -0.666667');
    expect(rows).toContain('reward 1 0.166667 0.833333');
    await expect(explain(home, 'good-1', { compare: 'grand-1' })).rejects.toThrow('is of another group than good-1');
    // Without an id it is the run's last rollout.
    expect(await explain(home, undefined, { run: runId })).toMatch(/^rollout grand-2$/m);
  });

  it('P2: says of a rollout that has no reward why, and names wrong and ambiguous ids', async () => {
    const fleet = await start();
    const home = await homeOf(fleet.natsUrl);
    const failed = { runId, groupId: 'g', stage: 'tool-use', purpose: Purpose.TRAIN, failureDetail: 'search: gone' };
    for (const [taskId, trajectorySequence] of [
      ['ga-1', 0n],
      ['gb-1', 99n],
    ] as const)
      await publishMessage(
        fleet.nats,
        subjects.result(runId),
        RolloutResultSchema,
        { ...failed, failure: FailureClass.TOOL_UNAVAILABLE, taskId, trajectorySequence },
        { messageId: taskId },
      );
    const text = await explain(home, 'ga');
    expect(text).toContain('reward: none (tool_unavailable: search: gone)');
    expect(text).toContain('The platform failed, not the policy: the rollout is absent, which is no 0.');
    await expect(explain(home, 'g')).rejects.toThrow("2 rollouts begin with 'g' (ga-1, gb-1 ...); give more of the id");
    await expect(explain(home, 'x')).rejects.toThrow("no rollout's id begins with 'x'");
    await expect(explain(home, 'gb')).rejects.toThrow('the trajectory of rollout gb-1 is no longer on the stream');
    await expect(explain(home, undefined)).rejects.toThrow('give the id of a rollout, or --run RUN');
  });
});

it('the group of every rollout of a compared group is reported as the ledger closed it, to the last bit', async () => {
  const fleet = await startGroupwiseFleet({
    recipe: {
      rewards: '{ preferred: 1, exact_match: 0.5 }',
      steps: 1,
      more: '    composition: { normalize: true, gates: [{ name: f1, at_least: 0.5, otherwise: 0.125 }], overlong: { max_tokens: 40, buffer_tokens: 30 } }',
    },
    worker: (task) => ({
      result: {
        prediction: `quality=${qualityOf(task.taskId)}`,
        components: { exact_match: task.sampleIndex % 2, f1: isTraining(task) && task.sampleIndex === 3 ? 0 : 1 },
        modelTokens: 25,
      },
    }),
  });
  cleanups.push(() => fleet.stop());
  await fleet.submit('run-a');
  await fleet.ended('run-a');
  const entries = await fleet.ledger('run-a');
  const { composition } = fleet.seen.find(isTraining) ?? {};
  if (composition === undefined) throw new Error('no task with a composition');
  let reported = 0;
  for await (const result of readResults(fleet.nats, 'run-a', AbortSignal.timeout(60_000))) {
    const story = groupStory(entries, result);
    if (story?.closed?.own === undefined || Object.keys(story.closed.judged).length === 0) continue;
    reported += 1;
    const { own, members, step, version } = story.closed;
    const { steps, total } = composeRecorded(composition, result, own.components);
    expect(own).toMatchObject({ reward: total, counted: true });
    expect(steps.map(({ kind }) => kind)).toEqual(['sum', 'normalize', 'gate', 'overlong']);
    expect(steps.at(-1)).toMatchObject({ modelTokens: 25, penalty: -0.5 });
    if (result.sampleIndex === 3) expect(total).toBe(0.125 - 0.5);
    const ranks = members.map(({ rank = 0 }) => rank);
    expect(ranks).toEqual(ranks.toSorted((a, b) => a - b));
    expect([step, version]).toEqual([1n, 1n]);
  }
  expect(reported).toBe(12);
});
