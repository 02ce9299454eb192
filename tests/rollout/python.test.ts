import { readFileSync } from 'node:fs';
import { expect, onTestFinished, test } from 'vitest';
import { FailureClass } from '#proto/rollout/v1/result_pb.ts';
import { SegmentKind } from '#proto/trajectory/v1/trajectory_pb.ts';
import { checkTrajectory } from '#trajectory/check-trajectory.ts';
import { userFolder } from '../../services/environments/python/files-under-test.ts';
import { goldRow } from '../fixtures/gold-item.ts';
import { useRolloutFleet } from './fleet.ts';
import { brontley, taskOf } from './task.ts';

const start = useRolloutFleet();

/** Finds the town within three turns; the file counts on disk how often `close` was called. */
const town = `
class Town:
    def __init__(self, towns):
        self.towns = towns
    def reset(self, row):
        self.asked = row["data"]["question"]
        return f"{self.asked} One of {', '.join(self.towns)}. "
    def step(self, text):
        if "Foundry" in text: raise LookupError(f"no town: {text}")
        right = "Verland" in text
        return (" no, again: " if not right else ""), right, 1.0 if right else 0.0, {"prediction": text.strip(), "letters.all": len(text)}
    def close(self):
        with open("CLOSED", "a") as file: file.write("x")
`;

test('a worker plays episodes of a Python class, token-exact, and closes each of them', async () => {
  const folder = userFolder();
  onTestFinished(() => folder[Symbol.dispose]());
  const closed = folder.write('closed', '');
  const path = folder.write('town.py', town.replace('CLOSED', closed));
  const environmentOptionsJson = JSON.stringify({
    path,
    class: 'Town',
    options: { towns: ['Ostwick Marrow', 'Verland Coast'] },
  });
  const fleet = await start({
    script: ({ sessionId, turn }) =>
      sessionId.startsWith('throws') ? 'Talmere Foundry' : (['Ostwick Marrow', 'Verland Coast'][turn] ?? ''),
  });
  const ids = ['found-1', 'found-2', 'throws-1'];
  for (const id of ids) {
    await fleet.publish(
      taskOf(id, {
        environment: 'python',
        environmentOptionsJson,
        row: goldRow(brontley),
        scorers: [{ name: 'exact_match' }],
        composition: { weights: [{ name: 'exact_match', weight: 1 }] },
      }),
    );
  }
  for (const id of ['found-1', 'found-2']) {
    const result = await fleet.resultOf(id);
    expect(result).toMatchObject({ failure: FailureClass.UNSPECIFIED, prediction: 'Verland Coast', turns: 2 });
    expect(result.components).toMatchObject({ exact_match: 1, environment_reward: 1 });
    expect(result.environmentMetrics).toEqual({ letters_all: 13 });
    const trajectory = await fleet.trajectoryOf(result);
    checkTrajectory(trajectory);
    const { PROMPT, MODEL, ENVIRONMENT } = SegmentKind;
    expect(trajectory.segments.map(({ kind }) => kind)).toEqual([PROMPT, MODEL, ENVIRONMENT, MODEL]);
    expect(trajectory.segments[2]?.text).toBe(' no, again: ');
  }
  // P2: an exception of the user's code is not a reward.
  const thrown = await fleet.resultOf('throws-1');
  expect(thrown.failure).toBe(FailureClass.USER_ENVIRONMENT);
  expect(thrown.components).toEqual({});
  expect(thrown.failureDetail).toContain(`step threw LookupError: no town: Talmere Foundry (${path}:9)`);
  await expect.poll(() => readFileSync(closed, 'utf8').length).toBeGreaterThanOrEqual(3);
});
