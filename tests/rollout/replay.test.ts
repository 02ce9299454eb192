import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { SegmentKind, type Trajectory } from '#proto/trajectory/v1/trajectory_pb.ts';
import { streams } from '#platform/nats/streams.ts';
import { compareTrajectories } from '#trajectory/compare-trajectories.ts';
import { digestsEqual } from '#trajectory/sequence-digest.ts';
import { playAgain } from '../../services/cli/replay/play-again.ts';
import { retrievalConfig } from '../../services/retrieval/config.ts';
import { startRetrieval } from '../../services/retrieval/service.ts';
import { startInProcess, startRolloutFleet, type RolloutFleet } from './fleet.ts';
import { pages, taskOf } from './task.ts';

const turns = [
  '<tool>{"name": "websearch", "args": {"query": "Halvard Brontley"}}</tool>',
  '<tool>{"name": "scrape", "args": {"id": "1733"}}</tool>',
  '<answer> Verland Coast </answer>',
];

describe('a recorded rollout that is played again', () => {
  let fleet: RolloutFleet;
  let changedMind = false;
  beforeAll(async () => {
    fleet = await startRolloutFleet({
      script: ({ turn }) => (changedMind && turn === 1 ? (turns[2] ?? '') : (turns[turn] ?? '')),
    });
  });
  afterAll(() => fleet[Symbol.asyncDispose]());

  const record = async (taskId: string) => {
    await fleet.publish(taskOf(taskId));
    const result = await fleet.resultOf(taskId);
    return { result, trajectory: await fleet.trajectoryOf(result) };
  };
  const play = (trajectory: Trajectory, retrieval = fleet.retrieval.address) =>
    playAgain({
      task: trajectory.task,
      policy: fleet.policy.address,
      retrieval,
      reward: fleet.reward.address,
      timeoutMs: 60_000,
      signal: new AbortController().signal,
    });

  it('P8: is the same to the token and the reward, with the task that its trajectory keeps', async () => {
    const { result, trajectory } = await record('again');
    const played = await play(trajectory);
    expect(compareTrajectories(trajectory, played.trajectory, 0n)).toMatchObject({
      equalSegments: trajectory.segments.length,
      difference: undefined,
      changedWeights: undefined,
    });
    expect(digestsEqual(played.trajectory.sequenceDigest, trajectory.sequenceDigest)).toBe(true);
    expect(played.result.components).toEqual(result.components);
  });

  it('P1: counts for nothing: the streams are as they were before', async () => {
    const { trajectory } = await record('uncounted');
    const messages = async () => {
      const names = [streams.results, streams.trajectories, streams.tasks, streams.deadLetters];
      const infos = await Promise.all(names.map((name) => fleet.nats.jsm.streams.info(name)));
      return infos.map(({ state }) => state.last_seq);
    };
    const before = await messages();
    await play(trajectory);
    expect(await messages()).toEqual(before);
  });

  it('shows where the environment answered otherwise', async () => {
    const { trajectory } = await record('elsewhere');
    const directory = await mkdtemp(join(tmpdir(), 'gradus-replay-'));
    const changed = pages.map((page) =>
      page.id === '1733' ? { ...page, text: 'Ostwick Marrow is a village in Verland Coast.' } : page,
    );
    await writeFile(join(directory, 'corpus.jsonl'), changed.map((page) => JSON.stringify(page)).join('\n'));
    const other = await startInProcess(startRetrieval, retrievalConfig, { corpus: join(directory, 'corpus.jsonl') });
    try {
      const { difference } = compareTrajectories(trajectory, (await play(trajectory, other.address)).trajectory, 0n);
      expect(difference?.kind).toBe(SegmentKind.ENVIRONMENT);
      expect(difference?.expectedText).toContain('is a town');
      expect(difference?.gotText).toContain('is a village');
    } finally {
      await other.stop();
      await rm(directory, { recursive: true, force: true });
    }
  });

  it('shows the token from which the policy wrote otherwise', async () => {
    const { trajectory } = await record('otherwise');
    changedMind = true;
    try {
      const { difference } = compareTrajectories(trajectory, (await play(trajectory)).trajectory, 0n);
      expect(difference).toMatchObject({ segment: 3, kind: SegmentKind.MODEL });
      expect(difference?.expectedText).toContain('scrape');
      expect(difference?.gotText).toContain('<answer> Verland Coast');
    } finally {
      changedMind = false;
    }
  });

  it('fails with the name of what does not answer, and not as a difference', async () => {
    const { trajectory } = await record('nobody-there');
    await expect(play(trajectory, '127.0.0.1:1')).rejects.toMatchObject({
      code: 'unavailable',
      message: expect.stringContaining('127.0.0.1:1'),
    });
    await expect(play({ ...trajectory, task: Buffer.from('not a task') })).rejects.toThrow(
      /could not be played again: task of 10 bytes/,
    );
  });
});
