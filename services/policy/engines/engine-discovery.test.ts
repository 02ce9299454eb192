import { describe, expect, it } from 'vitest';
import { eventually } from '../gateway-under-test.ts';
import { followNames, isName } from './engine-discovery.ts';

/** Follows one name whose addresses the test sets; tells what it was told. */
async function follow(answers: { now: readonly string[] | Error }) {
  const stop = new AbortController();
  const told: string[] = [];
  await followNames({
    names: ['dns:///engines.fleet.svc:50051'],
    intervalMs: 5,
    signal: stop.signal,
    resolve: async (host) => {
      expect(host).toBe('engines.fleet.svc');
      if (answers.now instanceof Error) throw answers.now;
      return answers.now;
    },
    onPresent: (address) => void told.push(`+${address}`),
    onAbsent: (address) => void told.push(`-${address}`),
    onFailed: (name, error) => void told.push(`${name}: ${error.message}`),
  });
  return { told, [Symbol.dispose]: () => stop.abort() };
}

describe('names of engines', () => {
  it('takes every address of a name, and follows as they come and go', async () => {
    const answers: { now: readonly string[] } = { now: ['10.0.0.1', 'fd00::2'] };
    using names = await follow(answers);
    expect(names.told).toEqual(['+10.0.0.1:50051', '+[fd00::2]:50051']);
    answers.now = ['10.0.0.1', '10.0.0.3'];
    await eventually(() => {
      expect(names.told).toContain('+10.0.0.3:50051');
      expect(names.told).toContain('-[fd00::2]:50051');
    });
    expect(names.told).not.toContain('-10.0.0.1:50051');
    answers.now = [];
    await eventually(() => expect(names.told).toContain('-10.0.0.1:50051'));
  });

  it('keeps what it knows while names cannot be resolved', async () => {
    const answers: { now: readonly string[] | Error } = { now: ['10.0.0.1'] };
    using names = await follow(answers);
    answers.now = new Error('EAI_AGAIN');
    await eventually(() => expect(names.told).toContain('dns:///engines.fleet.svc:50051: EAI_AGAIN'));
    expect(names.told.filter((each) => each.startsWith('-'))).toEqual([]);
  });

  it('tells names from addresses', () => {
    expect(isName('dns:///engines:50051')).toBe(true);
    expect(isName('127.0.0.1:50051')).toBe(false);
  });
});
