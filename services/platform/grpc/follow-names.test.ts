import { describe, expect, it, vi } from 'vitest';
import { followNames, isName } from './follow-names.ts';

const eventually = (check: () => unknown): Promise<unknown> => vi.waitFor(check, { timeout: 60_000, interval: 10 });

/** Follows one name whose addresses the test sets; reports what it was called with. */
async function follow(answers: { now: readonly string[] | Error }) {
  const stop = new AbortController();
  const reported: string[] = [];
  await followNames({
    names: ['dns:///engines.fleet.svc:50051'],
    intervalMs: 5,
    signal: stop.signal,
    resolve: async (host) => {
      expect(host).toBe('engines.fleet.svc');
      if (answers.now instanceof Error) throw answers.now;
      return answers.now;
    },
    onPresent: (address) => void reported.push(`+${address}`),
    onAbsent: (address) => void reported.push(`-${address}`),
    onFailed: (name, error) => void reported.push(`${name}: ${error.message}`),
  });
  return { reported, [Symbol.dispose]: () => stop.abort() };
}

describe('names of replicas', () => {
  it('takes every address of a name, and follows as they come and go', async () => {
    const answers: { now: readonly string[] } = { now: ['10.0.0.1', 'fd00::2'] };
    using names = await follow(answers);
    expect(names.reported).toEqual(['+10.0.0.1:50051', '+[fd00::2]:50051']);
    answers.now = ['10.0.0.1', '10.0.0.3'];
    await eventually(() => {
      expect(names.reported).toContain('+10.0.0.3:50051');
      expect(names.reported).toContain('-[fd00::2]:50051');
    });
    expect(names.reported).not.toContain('-10.0.0.1:50051');
    answers.now = [];
    await eventually(() => expect(names.reported).toContain('-10.0.0.1:50051'));
  });

  it('keeps what it knows while names cannot be resolved', async () => {
    const answers: { now: readonly string[] | Error } = { now: ['10.0.0.1'] };
    using names = await follow(answers);
    answers.now = new Error('EAI_AGAIN');
    await eventually(() => expect(names.reported).toContain('dns:///engines.fleet.svc:50051: EAI_AGAIN'));
    expect(names.reported.filter((each) => each.startsWith('-'))).toEqual([]);
  });

  it('distinguishes names from addresses', () => {
    expect(isName('dns:///engines:50051')).toBe(true);
    expect(isName('127.0.0.1:50051')).toBe(false);
  });
});
