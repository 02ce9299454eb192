import { create } from '@bufbuild/protobuf';
import { describe, expect, it } from 'vitest';
import { ScoreGroupResponseSchema } from '#proto/reward/v1/group_pb.ts';
import { CancelledError, TerminalError, TransientError, throwIfCancelled } from '#platform/errors.ts';
import { createRetryingScorer } from './score-with-retries.ts';
import type { Asking } from './score-with-retries.ts';
import { groupwiseScorer } from './group-under-test.ts';

const scored = create(ScoreGroupResponseSchema, { scores: [{ id: 't0', score: 1 }], planned: 1, judged: 1 });
const missing = (reason: string) =>
  create(ScoreGroupResponseSchema, { planned: 1, missing: 1, absences: { [reason]: 1 } });

/** Answers in turn, the last one forever; each call takes a second of the clock. */
function scripted(...answers: (typeof scored | Error)[]) {
  let calls = 0;
  let nowMs = 0;
  const retries: string[] = [];
  const ask = createRetryingScorer({
    client: {
      scoreGroup: async (_request, call) => {
        throwIfCancelled(call?.signal);
        const answer = answers[Math.min(calls, answers.length - 1)];
        calls += 1;
        nowMs += 1000;
        if (answer === undefined || answer instanceof Error) throw answer ?? new Error('no answer');
        return answer;
      },
    },
    maxOutageMs: 2000,
    onRetry: (_asking, _request, { reason }) => retries.push(reason),
    now: () => nowMs,
  });
  const asking = (change: Partial<Asking> & { readonly settings?: object } = {}): Asking => ({
    name: 'preferred',
    weight: 1,
    scorer: groupwiseScorer({ kind: 'pairwise', ...change.settings }),
    timeoutMs: 1000,
    attempts: 2,
    signal: new AbortController().signal,
    onWait: () => undefined,
    ...change,
  });
  return {
    ask: (change?: Parameters<typeof asking>[0]) => ask({ id: 'g' }, asking(change)),
    retries,
    calls: () => calls,
    pass: (milliseconds: number) => void (nowMs += milliseconds),
  };
}

describe('asking about a group', () => {
  it('goes on until the judge is back', async () => {
    const { ask, retries } = scripted(new TransientError('unavailable', 'gone'), missing('circuit_open'), scored);
    expect(await ask()).toEqual({ response: scored, failure: undefined });
    expect(retries).toEqual(['unavailable', 'circuit_open']);
  });

  it('P2: gives up when maxOutageMs is over, and then asks once for each further group', async () => {
    const { ask, calls } = scripted(missing('unavailable'));
    expect((await ask()).failure).toMatchObject({ reason: 'unavailable', passes: true });
    expect(calls()).toBe(3);
    await ask();
    expect(calls()).toBe(4);
  });

  it('asks what waiting does not help with as often as the stage has attempts', async () => {
    const { ask, calls } = scripted(missing('unparsable'));
    expect((await ask({ attempts: 3 })).failure).toMatchObject({ reason: 'unparsable', passes: false });
    expect(calls()).toBe(3);
  });

  it('takes what is there at once where parts are aggregated, unless the judge is unavailable', async () => {
    const settings = { partial: 'aggregate' };
    const refused = scripted(missing('unparsable'));
    expect((await refused.ask({ attempts: 3, settings })).response?.missing).toBe(1);
    expect(refused.calls()).toBe(1);
    const down = scripted(missing('unavailable'), scored);
    expect((await down.ask({ settings })).response).toEqual(scored);
  });

  it('ends with what it knows when time is over, and with an error when the run is stopped', async () => {
    const { ask } = scripted(missing('unavailable'));
    const late = new AbortController();
    const onWait = () => late.abort(new CancelledError('deadline_exceeded', 'the step is over'));
    expect((await ask({ signal: late.signal, onWait })).failure).toMatchObject({ reason: 'unavailable' });
    expect((await ask({ signal: late.signal })).failure).toMatchObject({
      reason: 'deadline',
      detail: 'the step is over',
    });
    const stopped = AbortSignal.abort(new CancelledError('cancelled', 'stop'));
    await expect(ask({ signal: stopped })).rejects.toThrow('stop');
  });

  it('P2: waits for the whole time again when the step before ended in an outage', async () => {
    const { ask, calls, pass } = scripted(missing('unavailable'), missing('rate_limited'), scored);
    const late = new AbortController();
    const onWait = () => late.abort(new CancelledError('deadline_exceeded', 'the step is over'));
    await ask({ signal: late.signal, onWait });
    expect(calls()).toBe(1);
    // A step that trains for longer than maxOutageMs.
    pass(3_600_000);
    expect(await ask()).toEqual({ response: scored, failure: undefined });
  });

  it('does not ask again what cannot be asked', async () => {
    const { ask, calls } = scripted(new TerminalError('invalid_argument', "no judge 'main'"));
    await expect(ask()).rejects.toMatchObject({
      code: 'invalid_argument',
      message: "the groupwise scorer preferred cannot be asked: no judge 'main'; fix it, then resume the run",
    });
    expect(calls()).toBe(1);
  });
});
