import { afterEach, describe, expect, it } from 'vitest';
import { createColours } from '../../services/cli/terminal/colours.ts';
import { textOf, type Terminal } from '../../services/cli/terminal/terminal.ts';
import { dlqCommand, type DlqAction, type DlqOptions } from '../../services/cli/commands/dlq.ts';
import { startRolloutFleet, type RolloutFleet } from '../rollout/fleet.ts';
import { taskOf } from '../rollout/task.ts';

let fleet: RolloutFleet | undefined;

afterEach(async () => {
  await fleet?.[Symbol.asyncDispose]();
  fleet = undefined;
});

/** Two dead letters: a task of an environment that no worker has, and bytes that are no task. */
async function startWithLetters() {
  const running = await startRolloutFleet({ script: () => '<answer> Verland Coast </answer>' });
  fleet = running;
  await running.publish(taskOf('chess-1', { environment: 'chess' }));
  await running.resultOf('chess-1');
  await expect.poll(async () => (await running.deadLetters()).length).toBe(1);
  await running.publishRaw(new Uint8Array([255, 255, 255]));
  await expect.poll(async () => (await running.deadLetters()).length).toBe(2);

  async function dlq(action: DlqAction, ids: string[], options: Partial<DlqOptions> = {}) {
    const out: string[] = [];
    const err: string[] = [];
    const terminal: Terminal = {
      out: (lines) => void out.push(textOf(lines).replace(/\n$/, '')),
      err: (lines) => void err.push(textOf(lines).replace(/\n$/, '')),
      status: () => {},
      interactive: false,
      columns: 100,
      colours: createColours(false),
    };
    await dlqCommand(action, ids, { home: '', nats: running.natsUrl, json: false, ...options }, terminal);
    return { out, err };
  }
  return { running, dlq };
}

describe('gradus dlq', () => {
  it('lists letters with run, task, reason and age, as text and as JSON, of all runs or one', async () => {
    const { dlq } = await startWithLetters();
    const { out } = await dlq('list', []);
    expect(out).toHaveLength(2);
    expect(out[0]).toMatch(
      /^1 {2}run-1 {2}chess-1 {2}handed out again 0x {2}[\d.]+ s ago {2}environment 'chess' is unknown/,
    );
    expect(out[1]).toMatch(/^2 {2}run-1 {2}\(no task\) .* is not a gradus\.rollout\.v1\.RolloutTask/);
    const json: unknown = JSON.parse((await dlq('list', [], { json: true })).out[0] ?? '');
    expect(json).toMatchObject({
      number: 1,
      run: 'run-1',
      task_id: 'chess-1',
      redeliveries: 0,
      subject: 'gradus.tasks.run-1.train',
    });
    expect(await dlq('list', [], { run: 'another' })).toEqual({ out: [], err: ['no dead letters of run another'] });
  });

  it('shows the decoded task, and the bytes of what is none', async () => {
    const { dlq } = await startWithLetters();
    expect(JSON.parse((await dlq('show', ['chess'])).out.join('\n'))).toMatchObject({
      task: { environment: 'chess', row: { id: 'q1' } },
    });
    expect(JSON.parse((await dlq('show', ['2'])).out.join('\n'))).toMatchObject({ task: null, bytes: '////' });
  });

  it('P1: a retried task is worked on again, and its result is there although it had one before', async () => {
    const { running, dlq } = await startWithLetters();
    const before = running.results.length;
    expect((await dlq('retry', ['chess-1'])).out[0]).toMatch(/^asked again: 1 /);
    // No worker has learnt chess: a second result with the reason, and a second letter.
    await expect.poll(() => running.results.length).toBe(before + 1);
    await expect.poll(async () => (await running.deadLetters()).length).toBe(2);
    expect((await dlq('list', [])).out.map((line) => line.split(' ')[0])).toEqual(['2', '3']);
  });

  it('drops one, then all, and only of the run that is named', async () => {
    const { running, dlq } = await startWithLetters();
    await dlq('drop', ['2']);
    expect((await dlq('drop', [], { all: true, run: 'another' })).out).toEqual([]);
    expect((await dlq('list', [])).out).toHaveLength(1);
    expect((await dlq('drop', [], { all: true })).out).toHaveLength(1);
    expect((await dlq('list', [])).err).toEqual(['no dead letters']);
    expect(await running.tasksLeft()).toBe(0);
    await running.nats.jsm.streams.delete('DEAD_LETTERS');
    expect((await dlq('list', [])).err).toEqual(['no dead letters']);
  });

  it('names an id that is unknown or ambiguous, and touches nothing then', async () => {
    const { running, dlq } = await startWithLetters();
    await running.publish(taskOf('chess-2', { environment: 'chess' }));
    await expect.poll(async () => (await dlq('list', [])).out.length).toBe(3);
    await expect(dlq('drop', ['2', 'nobody'])).rejects.toThrow(/begins with 'nobody'; 'gradus dlq list' lists them/);
    await expect(dlq('retry', ['chess'])).rejects.toThrow(
      /'chess' is the beginning of several task ids, those of dead letters 1 and 3/,
    );
    await expect(dlq('retry', [])).rejects.toThrow(/give the numbers or task ids of dead letters, or --all/);
    await expect(dlq('drop', ['1'], { all: true })).rejects.toThrow(/or --all/);
    expect((await dlq('list', [])).out).toHaveLength(3);
  });
});
