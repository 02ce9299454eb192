import { expect, test } from 'vitest';
import { UserCodeError } from '#user-code/user-code-error.ts';
import type { StepOutcome } from '#environments/kit/environment.ts';
import { FailureClass } from '#proto/rollout/v1/result_pb.ts';
import { CancelledError, TransientError } from '#platform/errors.ts';
import { checkOutcome, givenRewards, nextRole } from './check-outcome.ts';
import { UserCodeFailure, ofEnvironment, userCodeFailureOf } from './user-code-failure.ts';

const thrownBy = async (run: () => unknown): Promise<unknown> => {
  try {
    await ofEnvironment('mine', 'step of turn 2', run);
  } catch (thrown) {
    return thrown;
  }
  return undefined;
};

test('P2: an exception of an environment is user code, with its place', async () => {
  const thrown = await thrownBy(() => {
    const row: { readonly deep: { readonly value: number } } = JSON.parse('{}');
    return row.deep.value;
  });
  expect(thrown).toBeInstanceOf(UserCodeFailure);
  expect(thrown).toMatchObject({
    failure: FailureClass.USER_ENVIRONMENT,
    message: expect.stringMatching(
      /^environment mine, step of turn 2: TypeError: Cannot read .* at \/.*user-code\.test\.ts:\d+:\d+$/,
    ),
  });
  expect(userCodeFailureOf(new Error('wrapped', { cause: thrown }))).toBe(thrown);
  expect(await thrownBy(() => Promise.reject(new Error('late')))).toBeInstanceOf(UserCodeFailure);
  expect(await thrownBy(() => Promise.reject('text'))).toMatchObject({
    message: expect.stringContaining("'text' was thrown, which is not an Error"),
  });
});

test("an error of users' processes says its own place", async () => {
  const error = new UserCodeError('reset threw KeyError: x', { file: '/home/game.py', line: 7 });
  expect(await thrownBy(() => Promise.reject(error))).toMatchObject({
    message: 'environment mine, step of turn 2: reset threw KeyError: x at /home/game.py:7',
  });
});

test('P2: what the kit throws and lost connections are not user code', async () => {
  const transient = new TransientError('unavailable', 'the server is unavailable');
  expect(await thrownBy(() => Promise.reject(transient))).toBe(transient);
  const cancelled = new CancelledError('cancelled', 'stop');
  expect(await thrownBy(() => Promise.reject(cancelled))).toBe(cancelled);
  const refused = Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' });
  expect(await thrownBy(() => Promise.reject(refused))).toBe(refused);
  const fetching = new TypeError('fetch failed', { cause: refused });
  expect(await thrownBy(() => Promise.reject(fetching))).toBe(fetching);
});

const scoring = {
  definition: { name: 'game', rewards: ['score'], roles: ['proposer', 'solver'] },
  environment: {
    stop: [],
    start: () => {
      throw new Error('not started');
    },
  },
};

test.each<[unknown, RegExp]>([
  [undefined, /step: it gave undefined; give \{ kind: 'continue', text \}/],
  [{ kind: 'over' }, /step: it gave/],
  [{ kind: 'done', rewards: { score: 2 } }, /rewards\.score: 2; it must be 0 to 1/],
  [{ kind: 'done', rewards: { score: NaN } }, /rewards\.score: NaN/],
  [{ kind: 'done', rewards: { score: 1, luck: 1 } }, /rewards\.luck: the definition's `rewards` do not have it/],
  [{ kind: 'done', rewards: { score: 1 }, metrics: { moves: Infinity } }, /metrics\.moves: Infinity/],
  [
    { kind: 'done', rewards: { score: 1 }, metrics: { 'moves made': 1 } },
    /step: metrics: the name "moves made" must be/,
  ],
  [{ kind: 'done' }, /rewards: score missing/],
])('P2: a step that gives %j is a fault of the environment, never a reward', (outcome, message) => {
  expect(() => checkOutcome(scoring, outcome as StepOutcome)).toThrow(message);
});

test('what an episode did not give is 0 where a limit or the policy ended it', () => {
  expect(() => checkOutcome(scoring, { kind: 'done', failure: 'malformed_turn' })).not.toThrow();
  expect(givenRewards(scoring)).toEqual({ score: 0 });
  expect(givenRewards(scoring, { kind: 'done', rewards: { score: 0.5 } })).toEqual({ score: 0.5 });
});

test.each<[StepOutcome & { kind: 'continue' }, RegExp]>([
  [{ kind: 'continue', role: 'solvr', text: 'x' }, /role: 'solvr'; the definition's `roles` has proposer, solver/],
  [
    { kind: 'continue', role: 'solver', messages: [] },
    /messages: solver has not spoken before; give text, or messages/,
  ],
  [{ kind: 'continue', role: 'proposer', prompt: { messages: [] } }, /prompt: proposer has spoken before; give text/],
])('P2: a step that goes on with %j is a fault of the environment', (outcome, message) => {
  expect(() => nextRole(scoring, outcome, 'proposer', ['proposer'])).toThrow(message);
});

test('the role that a step names writes next, and the same as before where it names none', () => {
  const spoken = ['proposer', 'solver'];
  expect(nextRole(scoring, { kind: 'continue', role: 'solver', text: 'x' }, 'proposer', spoken)).toBe('solver');
  expect(nextRole(scoring, { kind: 'continue', text: 'x' }, 'solver', spoken)).toBe('solver');
});

test('an episode may begin branches, one after the other, where its definition says so', () => {
  const branching = { ...scoring, definition: { ...scoring.definition, roles: [], branches: true } } as const;
  const prompt = { messages: [] };
  expect(nextRole(branching, { kind: 'continue', role: 'branch-1', prompt }, '', [''])).toBe('branch-1');
  expect(nextRole(branching, { kind: 'continue', role: '', messages: [] }, 'branch-1', ['', 'branch-1'])).toBe('');
  const skipping = { kind: 'continue', role: 'branch-2', prompt } as const;
  expect(() => nextRole(branching, skipping, '', [''])).toThrow(/role: 'branch-2'; the definition's `roles` has none/);
  const unasked = { ...branching, definition: { ...scoring.definition, roles: [] } };
  expect(() => nextRole(unasked, { kind: 'continue', role: 'branch-1', prompt }, '', [''])).toThrow(/role: 'branch-1'/);
});
