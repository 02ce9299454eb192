import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readFile, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { describe, expect, onTestFinished, test } from 'vitest';
import { createLogger } from '#platform/telemetry/logging.ts';
import { startScriptedJudge } from '../../../tests/fakes/scripted-judge.ts';
import { startRewardUnderTest } from '../service-under-test.ts';
import { judgeUnderTest } from './judge-under-test.ts';
import { gradeAnswer } from './questions/grade-answer.ts';
import { openReplyStore, type ReplyStoreOptions } from './reply-store.ts';
import { goldRow } from '../../../tests/fixtures/gold-item.ts';
import { temporaryDirectory } from '#platform/files/directory-under-test.ts';

const { signal } = new AbortController();
const log = createLogger({ service: 'reward', level: 'silent' });

async function folder(): Promise<string> {
  const directory = await temporaryDirectory('gradus-replies-');
  return directory;
}

function opened(directory: string, more: Partial<ReplyStoreOptions> = {}) {
  const counts: Record<string, number> = {};
  let bytes = 0;
  const events = {
    stored: (outcome: string, count = 1): void => void (counts[outcome] = (counts[outcome] ?? 0) + count),
    storedBytes: (size: number): void => void (bytes = size),
  };
  const store = openReplyStore({ directory, mebibytes: 64, who: "judge 'main'", events, log, ...more });
  let isOpen = true;
  const close = (): void => {
    if (isOpen) store.close();
    isOpen = false;
  };
  onTestFinished(close);
  return { store, counts, close, bytes: () => bytes };
}

const reply = (text: string) => ({ text, replyId: `id of ${text.slice(0, 9)}` });

describe('replies on disk', () => {
  test('are there after a restart, and nothing else is', async () => {
    const directory = await folder();
    const first = opened(directory);
    first.store.set('k', reply('A\n"é\u{1F600}'));
    first.close();
    const second = opened(directory);
    expect(second.store.get('k')).toEqual(reply('A\n"é\u{1F600}'));
    expect(second.store.get('other')).toBeUndefined();
    expect(second.counts).toEqual({ read: 1 });
  });

  test('are seen by others who have the folder open, at once', async () => {
    const directory = await folder();
    const [one, two] = [opened(directory), opened(directory)];
    one.store.set('k', reply('one'));
    expect(two.store.get('k')).toEqual(reply('one'));
    two.store.set('k', reply('two'));
    expect(one.store.get('k')).toEqual(reply('two'));
  });

  test('stay within their bound: those not used for longest go first', async () => {
    const directory = await folder();
    let now = 0;
    const { store, counts, bytes } = opened(directory, { mebibytes: 1, clock: () => now });
    const text = 'x'.repeat(10_000);
    for (let number = 0; number < 300; number += 1) {
      now += 2 * 60 * 60_000;
      store.set(`k${number}`, reply(text + number));
      // Used now and then, so it stays.
      expect(store.get('k0')).toEqual(reply(`${text}0`));
    }
    expect(counts['evicted']).toBeGreaterThan(100);
    expect(counts['failed']).toBeUndefined();
    expect(store.get('k1')).toBeUndefined();
    expect(store.get('k299')).toEqual(reply(`${text}299`));
    expect(bytes()).toBeLessThanOrEqual(2 ** 20);
    expect((await stat(join(directory, 'replies-1.sqlite'))).size).toBeLessThanOrEqual(2 ** 20);
  });

  test('shrink to a smaller bound, and a reply that would take an eighth of it is not kept', async () => {
    const directory = await folder();
    const large = opened(directory, { mebibytes: 8 });
    for (let number = 0; number < 400; number += 1) large.store.set(`k${number}`, reply('y'.repeat(10_000) + number));
    large.close();
    const small = opened(directory, { mebibytes: 1 });
    small.store.set('new', reply('new'));
    small.store.set('huge', reply('z'.repeat(200_000)));
    expect(small.store.get('new')).toEqual(reply('new'));
    expect(small.store.get('huge')).toBeUndefined();
    small.close();
    expect((await stat(join(directory, 'replies-1.sqlite'))).size).toBeLessThanOrEqual(2 ** 20);
  });

  test('that are damaged are left out and counted, never given', async () => {
    const directory = await folder();
    const first = opened(directory);
    first.store.set('good', reply('good'));
    first.store.set('bad', reply('bad'));
    first.close();
    const database = new DatabaseSync(join(directory, 'replies-1.sqlite'));
    database.prepare(`UPDATE replies SET entry = replace(entry, 'bad', 'bat') WHERE key = 'bad'`).run();
    database.close();
    const { store, counts } = opened(directory);
    expect(store.get('bad')).toBeUndefined();
    expect(store.get('good')).toEqual(reply('good'));
    expect(counts).toEqual({ unreadable: 1, read: 1 });
    store.set('bad', reply('bad'));
    expect(store.get('bad')).toEqual(reply('bad'));
  });

  test('in a file that is no database are left behind for a new file', async () => {
    const directory = await folder();
    await writeFile(
      join(directory, 'replies-1.sqlite'),
      'not a database, and longer than its header would be'.repeat(9),
    );
    const { store, counts } = opened(directory);
    store.set('k', reply('k'));
    expect(store.get('k')).toEqual(reply('k'));
    expect(counts).toEqual({ unreadable: 1, written: 1, read: 1 });
    expect(await readdir(directory)).not.toContain('replies-1.sqlite');
    expect(opened(directory).store.get('k')).toEqual(reply('k'));
  });

  test('are read while somebody else writes for long', async () => {
    const directory = await folder();
    let now = 0;
    const { store, counts } = opened(directory, { clock: () => now });
    store.set('k', reply('k'));
    now += 2 * 60 * 60_000;
    const other = new DatabaseSync(join(directory, 'replies-1.sqlite'));
    other.exec('BEGIN IMMEDIATE');
    expect(store.get('k')).toEqual(reply('k'));
    other.close();
    expect(counts).toEqual({ written: 1, read: 1, failed: 1 });
  });

  test('that can no longer be kept are closed all the same', async () => {
    const directory = await folder();
    const first = opened(directory);
    for (let number = 0; number < 200; number += 1) first.store.set(`k${number}`, reply('w'.repeat(5000) + number));
    first.close();
    const path = join(directory, 'replies-1.sqlite');
    const bytes = await readFile(path);
    await writeFile(path, Buffer.concat([bytes.subarray(0, 4096), Buffer.alloc(bytes.length - 4096, 0xa5)]));
    const { store, counts } = opened(directory);
    await rm(directory, { recursive: true });
    for (let number = 0; number < 200; number += 1) expect(store.get(`k${number}`)).toBeUndefined();
    expect(counts['failed']).toBe(200);
    expect(() => store.close()).not.toThrow();
  });

  test('in a file that breaks while it is open give way to a new file, and the store goes on', async () => {
    const directory = await folder();
    const first = opened(directory);
    for (let number = 0; number < 200; number += 1) first.store.set(`k${number}`, reply('w'.repeat(5000) + number));
    first.close();
    const path = join(directory, 'replies-1.sqlite');
    const bytes = await readFile(path);
    // The first page is well, so that it opens.
    await writeFile(path, Buffer.concat([bytes.subarray(0, 4096), Buffer.alloc(bytes.length - 4096, 0xa5)]));
    const { store, counts } = opened(directory);
    for (let number = 0; number < 200; number += 1) expect(store.get(`k${number}`)).toBeUndefined();
    store.set('after', reply('after'));
    expect(store.get('after')).toEqual(reply('after'));
    expect(counts).toMatchObject({ unreadable: 1, written: 1, read: 1 });
  });

  test('are waited for at the start while another process makes the file', async () => {
    const directory = await folder();
    const holder = fork(
      join(import.meta.dirname, '../../../tests/fixtures/lock-holder.ts'),
      [join(directory, 'replies-1.sqlite')],
      {
        execArgv: ['--disable-warning=ExperimentalWarning'],
        stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
      },
    );
    onTestFinished(() => void holder.kill('SIGKILL'));
    await once(holder, 'message');
    const { store } = opened(directory);
    store.set('k', reply('k'));
    expect(store.get('k')).toEqual(reply('k'));
  });

  test('cannot lie where there is no folder: said at the start, with the fix', async () => {
    const directory = await folder();
    await writeFile(join(directory, 'file'), '');
    expect(() => opened(join(directory, 'file', 'replies'))).toThrow(
      /^judge 'main': cacheDirectory: .* cannot be used \(.*\); name a folder that can be written, or leave it out/,
    );
  });

  test('are whole when their writer is killed with SIGKILL, and two writers do not disturb each other', async () => {
    const directory = await folder();
    const writer = (name: string): ChildProcess => {
      const child = fork(join(import.meta.dirname, '../../../tests/fixtures/reply-writer.ts'), [directory, name], {
        execArgv: ['--disable-warning=ExperimentalWarning'],
        stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
      });
      onTestFinished(() => void child.kill('SIGKILL'));
      return child;
    };
    const [doomed, other] = [writer('doomed'), writer('other')];
    // Each reports how many it has written, from time to time.
    await Promise.all([once(doomed, 'message'), once(other, 'message')]);
    const [reported]: unknown[] = await once(doomed, 'message');
    doomed.kill('SIGKILL');
    await once(doomed, 'exit');
    const [toldOther]: unknown[] = await once(other, 'message');
    other.kill('SIGKILL');
    await once(other, 'exit');
    const { store, counts } = opened(directory);
    for (const [name, count] of [
      ['doomed', reported],
      ['other', toldOther],
    ] as const) {
      expect(count).toBeGreaterThan(0);
      for (let number = 0; number < Number(count); number += 1) {
        expect(store.get(`${name} ${number}`)).toEqual({ text: `reply ${number} of ${name}`, replyId: name });
      }
    }
    expect(counts['unreadable']).toBeUndefined();
  });
});

describe('a judge with a folder for replies', () => {
  const question = (answer = 'quality=1') =>
    gradeAnswer({ question: 'Where?', references: ['Paris'], answer, maxCharacters: 1000 });

  test('asks nothing twice, also after a restart, and says which reply it was', async () => {
    await using endpoint = await startScriptedJudge();
    const settings = { cacheDirectory: await folder() };
    const first = judgeUnderTest(endpoint.baseUrl, settings).judge;
    expect(await first.ask(question(), signal)).toMatchObject({ value: 'correct', source: 'asked' });
    first.close();
    const { judge, metrics } = judgeUnderTest(endpoint.baseUrl, settings);
    onTestFinished(() => judge.close());
    expect(await judge.ask(question(), signal)).toMatchObject({
      value: 'correct',
      replyId: 'reply-1',
      source: 'cache',
    });
    expect(endpoint.requests).toHaveLength(1);
    expect(await metrics.render()).toContain('gradus_judge_stored_replies_total{judge="main",outcome="read"} 1');
  });

  test('asks again for another model, and never keeps what could not be read or did not come', async () => {
    await using endpoint = await startScriptedJudge({ script: (_, call) => (call <= 2 ? 'mumble' : 'A') });
    const settings = { cacheDirectory: await folder(), cacheMebibytes: 0 };
    const { judge } = judgeUnderTest(endpoint.baseUrl, settings);
    onTestFinished(() => judge.close());
    expect(await judge.ask(question(), signal)).toMatchObject({ kind: 'absent', reason: 'unparsable' });
    expect(await judge.ask(question(), signal)).toMatchObject({ kind: 'verdict', source: 'asked' });
    expect(await judge.ask(question(), signal)).toMatchObject({ kind: 'verdict', source: 'cache' });
    const { judge: other } = judgeUnderTest(endpoint.baseUrl, { ...settings, model: 'other' });
    onTestFinished(() => other.close());
    expect(await other.ask(question(), signal)).toMatchObject({ kind: 'verdict', source: 'asked' });
  });
});

test('two reward services on one folder pay once', async () => {
  await using endpoint = await startScriptedJudge();
  const main = { baseUrl: endpoint.baseUrl, model: 'scripted', cacheDirectory: await folder() };
  await using one = await startRewardUnderTest({ main });
  await using two = await startRewardUnderTest({ main });
  const turns = [
    { text: '<answer>quality=1</answer>', action: { case: 'answer', value: { text: 'quality=1' } } } as const,
  ];
  const judged = [{ name: 'right', judge: 'main', method: { case: 'grade', value: {} } } as const];
  const items = [{ id: 'i', row: goldRow({ question: 'Where?', answers: ['Paris'] }), turns, judged }];
  const first = await one.reward.score({ items });
  const second = await two.reward.score({ items });
  expect(second.scores.map(({ components }) => components)).toEqual(first.scores.map(({ components }) => components));
  expect(first.scores[0]?.judgements['right']).toMatchObject({ source: 'asked', replyId: 'reply-1' });
  expect(second.scores[0]?.judgements['right']).toMatchObject({ source: 'cache', replyId: 'reply-1' });
  expect(endpoint.requests).toHaveLength(1);
});
