import { describe, expect, it } from 'vitest';
import { CancelledError, TerminalError } from '#platform/errors.ts';
import type { Group } from '../groups/group.ts';
import { createBackgroundScoring } from './background-scoring.ts';
import type { ScoreGroup } from './background-scoring.ts';
import type { GroupScores } from './group-scores.ts';
import { settledGroup } from './group-under-test.ts';

const scores: GroupScores = { components: new Map(), judged: {}, missing: [], seconds: 0 };
const group = (id: string) => settledGroup([{}], id);

/** A scorer whose groups the test answers one by one. */
function scripted() {
  const pending = new Map<Group, { answer(): void; fail(error: Error): void; wait(what: string): void }>();
  const score: ScoreGroup = (one, signal, onWait) =>
    new Promise((resolve, reject) => {
      signal.addEventListener('abort', () => reject(signal.reason as Error));
      pending.set(one, { answer: () => resolve(scores), fail: reject, wait: onWait });
    });
  let changes = 0;
  const scoring = createBackgroundScoring(score, () => (changes += 1));
  return { pending, scoring, changes: () => changes };
}

describe('scoring in the background', () => {
  it('gives each group once, when its scores are in, whatever the order', async () => {
    const { pending, scoring } = scripted();
    const [a, b] = [group('a'), group('b')];
    expect(scoring.next).toBeUndefined();
    scoring.begin(a);
    scoring.begin(b);
    expect(scoring.takeScored()).toEqual([]);
    pending.get(b)?.answer();
    await scoring.next;
    expect(scoring.takeScored().map((one) => one.group)).toEqual([b]);
    expect(scoring.takeScored()).toEqual([]);
    expect(scoring.running.map(({ groupId }) => groupId)).toEqual(['a']);
    pending.get(a)?.answer();
    await scoring.next;
    expect(scoring.takeScored().map((one) => one.group)).toEqual([a]);
    expect(scoring.next).toBeUndefined();
  });

  it('says what each group waits for, and reports every change', () => {
    const { pending, scoring, changes } = scripted();
    const a = group('a');
    scoring.begin(a);
    pending.get(a)?.wait('preferred from judge main');
    pending.get(a)?.wait('preferred from judge main');
    expect(scoring.running).toEqual([{ groupId: 'a', what: 'preferred from judge main' }]);
    expect(changes()).toBe(1);
  });

  it('throws the error of a group that cannot be scored', async () => {
    const { pending, scoring } = scripted();
    const a = group('a');
    scoring.begin(a);
    pending.get(a)?.fail(new TerminalError('failed_precondition', 'no such judge'));
    await scoring.next;
    expect(() => scoring.takeScored()).toThrow('no such judge');
  });

  it('passes the end of the time on to what is under way and to what begins later', async () => {
    const seen: unknown[] = [];
    const scoring = createBackgroundScoring(
      (_, signal) =>
        new Promise((resolve) => {
          const end = () => {
            seen.push(signal.reason);
            resolve(scores);
          };
          if (signal.aborted) end();
          else signal.addEventListener('abort', end);
        }),
      () => undefined,
    );
    const late = new CancelledError('deadline_exceeded', 'late');
    scoring.begin(group('a'));
    scoring.expire(late);
    scoring.begin(group('b'));
    await scoring.leave();
    expect(seen).toEqual([late, late]);
  });

  it('leaves nothing running and nothing to take', async () => {
    const { scoring } = scripted();
    scoring.begin(group('a'));
    await scoring.leave();
    expect(scoring.running).toEqual([]);
    expect(scoring.takeScored()).toEqual([]);
  });
});
