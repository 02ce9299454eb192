import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { fromJson, type JsonValue } from '@bufbuild/protobuf';
import { expect, onTestFinished, test } from 'vitest';
import { FailureClass } from '#proto/rollout/v1/result_pb.ts';
import { RolloutTaskSchema, type RolloutTask } from '#proto/rollout/v1/task_pb.ts';
import { SegmentKind } from '#proto/trajectory/v1/trajectory_pb.ts';
import { checkTrajectory } from '#trajectory/check-trajectory.ts';
import { compareTrajectories } from '#trajectory/compare-trajectories.ts';
import { createColours } from '../../services/cli/terminal/colours.ts';
import { renderTranscript } from '../../services/cli/transcript/render-transcript.ts';
import { playAgain } from '../../services/cli/replay/play-again.ts';
import { repositoryRoot } from '../../services/platform/repository.ts';
import { userFolder } from '../../services/environments/python/files-under-test.ts';
import { docBlocks } from '../fixtures/doc-blocks.ts';
import { useRolloutFleet } from '../rollout/fleet.ts';
import { runId } from '../rollout/task.ts';

const blocks = docBlocks('how-to/roles.md');
const start = useRolloutFleet();

async function written() {
  const folder = userFolder();
  onTestFinished(() => folder[Symbol.dispose]());
  const paths = new Map([...blocks].map(([name, text]) => [name, folder.write(name, text)]));
  return { recipe: paths.get('recipe.yaml') ?? '', environment: paths.get('sums.ts') ?? '' };
}

/** What a program prints as JSON. Node itself loads the environment's file, as the command line does; the test runner has a loader of its own. */
async function inNode(program: string): Promise<unknown> {
  const imports = `const { loadRecipe } = await import('./services/cli/run/prepare-inputs.ts');`;
  const printed = `${imports}\nconsole.log(JSON.stringify(await (async () => { ${program} })()));`;
  const args = ['--disable-warning=ExperimentalWarning', '--input-type=module', '-e', printed];
  const { stdout } = await promisify(execFile)(process.execPath, args, { cwd: repositoryRoot });
  return JSON.parse(stdout);
}

/** A rollout of the recipe's stage, as the coordinator asks for it. */
async function taskOf(recipe: string, taskId: string): Promise<RolloutTask> {
  const json = await inNode(`
    const { create, toJson } = await import('@bufbuild/protobuf');
    const { RolloutTaskSchema } = await import('#proto/rollout/v1/task_pb.ts');
    const { createTaskBuilder } = await import('#recipe/build-task.ts');
    const { recipe } = await loadRecipe(${JSON.stringify(recipe)});
    const row = { id: 's1', dataJson: '{"most": 9}', goldJson: '{}' };
    const parts = { groupId: 'g', groupSeed: 1n, sampleIndex: 0, attempt: 0, row, purpose: 1, mode: 'train' };
    const task = createTaskBuilder(recipe, recipe.stages[0])({ ...parts, runId: '${runId}', taskId: 'a1'.repeat(32) });
    return toJson(RolloutTaskSchema, create(RolloutTaskSchema, task));`);
  const task = { ...fromJson(RolloutTaskSchema, json as JsonValue), taskId };
  // The machine may be busy.
  if (task.limits !== undefined) Object.assign(task.limits, { turnTimeoutMs: 300_000, rolloutTimeoutMs: 600_000 });
  return task;
}

const plain = createColours(false);

test('P4: one policy plays both roles of the page, each on a sequence of its own, and a replay gives the same', async () => {
  const files = await written();
  const task = await taskOf(files.recipe, 'sum-1');
  const turns: string[] = [];
  const fleet = await start({
    worker: { environmentFiles: [files.environment], environmentStartTimeoutMs: 600_000 },
    script: ({ sessionId }) => {
      turns.push(sessionId);
      if (sessionId.startsWith('broken')) return '3 and 4\n';
      return sessionId.endsWith(':proposer') ? '3+4\n' : '7\n';
    },
  });
  await fleet.publish(task);
  const result = await fleet.resultOf('sum-1');
  expect(result.failureDetail).toBe('');
  expect(result).toMatchObject({
    failure: FailureClass.UNSPECIFIED,
    prediction: '7',
    components: { posed: 0.5, solved: 1 },
    turns: 2,
    roles: [
      { role: 'proposer', turns: 1, truncated: false },
      { role: 'solver', turns: 1, truncated: false },
    ],
  });
  expect(turns).toEqual(['sum-1:proposer', 'sum-1:solver']);
  const trajectory = await fleet.trajectoryOf(result);
  checkTrajectory(trajectory);
  expect(trajectory.segments.map(({ role, kind, text }) => [role, kind, text])).toEqual([
    ['proposer', SegmentKind.PROMPT, 'A sum of two numbers up to 9:\n'],
    ['proposer', SegmentKind.MODEL, '3+4\n'],
    ['solver', SegmentKind.PROMPT, '3+4='],
    ['solver', SegmentKind.MODEL, '7\n'],
  ]);
  const [proposer, solver] = result.roles;
  expect((proposer?.modelTokens ?? 0) + (solver?.modelTokens ?? 0)).toBe(result.modelTokens);

  // P8, with the task that the trajectory keeps.
  const played = await playAgain({
    task: trajectory.task,
    policy: fleet.policy.address,
    retrieval: fleet.retrieval.address,
    reward: fleet.reward.address,
    environmentFlags: { 'environment-file': files.environment },
    timeoutMs: 600_000,
    signal: new AbortController().signal,
  });
  expect(compareTrajectories(trajectory, played.trajectory, 0n)).toMatchObject({
    equalSegments: 4,
    difference: undefined,
  });
  checkTrajectory(played.trajectory);

  const shown = renderTranscript(trajectory, result, result.reward, plain).join('\n');
  expect(shown).toContain('-- prompt of solver, ');
  expect(shown).toContain('-- policy as proposer, ');

  // A role that never came to speak has no sequence, and nothing of it can be trained on.
  await fleet.publish({ ...task, taskId: 'broken-1' });
  const broken = await fleet.resultOf('broken-1');
  expect(broken).toMatchObject({
    failure: FailureClass.MALFORMED_TURN,
    components: { posed: 0, solved: 0 },
    roles: [{ role: 'proposer', turns: 1 }],
  });
  checkTrajectory(await fleet.trajectoryOf(broken));
});

test('the plan of the page names its roles', async () => {
  const { recipe } = await written();
  const lines = await inNode(`
    const { planRun, formatPlan } = await import('./services/cli/run/run-plan.ts');
    return formatPlan(planRun((await loadRecipe(${JSON.stringify(recipe)})).recipe, []));`);
  expect(lines).toContain('roles of both: proposer (posed 1), solver (rewards of the stage)');
});

test('a recipe with roles that cannot be is refused with what to do', async () => {
  const { recipe } = await written();
  const untrained = { proposer: { train: false }, solver: { train: false } };
  const wrong: [string, RegExp][] = [
    [
      'stages.0.roles.solvr={}',
      /roles\.solvr.*is not a role of environment sums, which has proposer, solver; did you mean solver\?/s,
    ],
    ['stages.0.roles.proposer.rewards={"psed": 1}', /is nothing that this stage records.*did you mean posed\?/s],
    ['stages.0.roles.proposer.rewards={"posed": 0}', /needs a weight above 0/],
    [`stages.0.roles=${JSON.stringify(untrained)}`, /there is nothing to learn/],
    ['stages.0.roles.solver.version=initial', /must be current: the engines of a run serve one version/],
  ];
  const messages = await inNode(`
    const said = async (change) => loadRecipe(${JSON.stringify(recipe)}, [change]).then(() => 'fine', ({ message }) => message);
    return await Promise.all(${JSON.stringify(wrong.map(([change]) => change))}.map(said));`);
  for (const [index, [, message]] of wrong.entries()) expect((messages as string[])[index]).toMatch(message);
});
