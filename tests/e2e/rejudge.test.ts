import { createServer, request, type Server } from 'node:http';
import { writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { temporaryDirectory } from '#platform/files/directory-under-test.ts';
import { readJson, readJsonLines, startGradus } from './gradus-process.ts';

const root = resolve(import.meta.dirname, '../..');
const rows = 12;

/** What is evaluated: a scripted policy that is right now and then. */
const recipe = (judge: string, scripted = '') => `
name: graded
model: { path: ${join(root, 'policies/nano')} }
data: { world: { seed: 7, train: 20, held_out: ${rows} } }
environment: { name: search }
judges: { main: { base_url: ${judge}, model: scripted, retry_base_ms: 1, retry_max_ms: 4 } }
scorers: { grade: { kind: grade, judge: main } }
fleet: { engine: { kind: scripted, max_context: 1024 }, scripted: { turns: 2, right_probability: 0.5${scripted} } }
stages:
  - name: held-out
    kind: eval
    limits: { context_tokens: 640, max_new_tokens: 96, turn_timeout_ms: 30000, rollout_timeout_ms: 60000 }
    rewards: { exact_match: 0, f1: 0, grade: 1 }
    success: { metric: grade }
`;

/** A judge by rule, behind a connection that lets through so many questions and then breaks. */
async function breakingJudge(directory: string) {
  const judge = startGradus(directory, 'serve', 'scripted-judge', '--http', '127.0.0.1:0');
  await judge.says(/^\{[^\n]*"http":"127\.0\.0\.1:[1-9]/m);
  const [, port = ''] = /^\{[^\n]*"http":"127\.0\.0\.1:([1-9]\d*)/m.exec(judge.output()) ?? [];
  let passes = 0;
  const server: Server = createServer((incoming, answer) => {
    if (passes <= 0) return void incoming.socket.destroy();
    passes -= 1;
    const { method, url, headers } = incoming;
    incoming.pipe(
      request({ host: '127.0.0.1', port, method, path: url, headers }, (response) => {
        answer.writeHead(response.statusCode ?? 500, response.headers);
        response.pipe(answer);
      }),
    );
  });
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
  onTestFinished(() => void server.close());
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('it listens on a port');
  return { url: `http://127.0.0.1:${address.port}/v1`, letPass: (count: number) => void (passes = count) };
}

interface Summary {
  readonly rollouts: object;
  readonly absent: readonly { readonly id: string; readonly component: string; readonly reason: string }[];
  readonly metrics: Readonly<Record<string, { readonly value: number; readonly rows: number }>>;
  readonly rejudged?: object;
}
const summaryOf = async (folder: string) => (await readJson(join(folder, 'summary.json'))) as Summary;

async function gradus(directory: string, ...args: readonly string[]) {
  const run = startGradus(directory, ...args);
  return { code: await run.exit(), output: run.output() };
}

test('P2: a judge that breaks during an evaluation leaves answers without a grade, which are judged later and never played again', async () => {
  const directory = await temporaryDirectory('gradus-rejudge-');
  const judge = await breakingJudge(directory);
  await writeFile(join(directory, 'graded.yaml'), recipe(judge.url));

  judge.letPass(5);
  const evaluated = await gradus(directory, 'eval', 'graded.yaml', '--out', 'out');
  expect(evaluated, evaluated.output).toMatchObject({ code: 0 });
  expect(evaluated.output).toContain(`${rows} of ${rows} rollouts came back, 0 absent`);
  const first = await summaryOf(join(directory, 'out'));
  const without = first.absent.length;
  expect(without).toBeGreaterThan(0);
  expect(new Set(first.absent.map(({ component }) => component))).toEqual(new Set(['grade']));
  expect(first.metrics['grade.correct']?.rows).toBe(rows - without);
  expect(first.metrics['exact_match']?.rows).toBe(rows);
  const played = await readJsonLines(join(directory, 'out/predictions.jsonl'));
  const ids = (lines: typeof played) => lines.flatMap(({ id, unscored }) => (unscored === undefined ? [] : [id]));
  expect(ids(played)).toEqual(first.absent.map(({ id }) => id));

  // Still out: nothing is lost, and nothing is wrong.
  judge.letPass(0);
  const rejudge = ['eval', '--rejudge', 'out', '--out', 'again'] as const;
  const inVain = await gradus(directory, ...rejudge);
  expect(inVain, inVain.output).toMatchObject({ code: 0 });
  expect(inVain.output).toContain('without a judgement again; the same command asks for them once more');
  expect((await summaryOf(join(directory, 'again'))).absent).toHaveLength(without);

  judge.letPass(1_000);
  const whole = await gradus(directory, ...rejudge);
  expect(whole, whole.output).toMatchObject({ code: 0 });
  const second = await summaryOf(join(directory, 'again'));
  expect(second.absent).toEqual([]);
  expect(second.metrics['grade.correct']?.rows).toBe(rows);
  expect(second.rejudged).toMatchObject({ which: 'absent', asked: without, judged: without, absent: 0 });
  const judged = (await readJsonLines(join(directory, 'again/predictions.jsonl'))) as readonly (Record<
    string,
    unknown
  > & {
    readonly components: Readonly<Record<string, number>>;
  })[];
  // Its rule: right is what shares half of its tokens with the answer.
  expect(judged.map(({ components: { grade } }) => grade)).toEqual(
    judged.map(({ components: { f1 = 0 } }) => (f1 >= 0.5 ? 1 : 0)),
  );
  expect(judged.map(({ rollout, prediction }) => [rollout, prediction])).toEqual(
    played.map(({ rollout, prediction }) => [rollout, prediction]),
  );
  // What the evaluation itself said stays.
  expect(await summaryOf(join(directory, 'out'))).toEqual(first);

  // Another model for some is said; for all it is not needed.
  const other = ['--judge-model', 'other', '--out', 'other'] as const;
  const mixed = await gradus(directory, 'eval', '--rejudge', 'out', ...other);
  expect(mixed.output).toContain(
    `${without} judgements of held-out by other at ${judge.url}, the others by scripted at`,
  );
  const all = await gradus(directory, 'eval', '--rejudge', 'out', '--all', '--judge-model', 'other', '--out', 'all');
  expect(all.output).not.toContain('the others by');
  expect((await summaryOf(join(directory, 'all'))).rejudged).toMatchObject({ which: 'all', asked: rows, judged: rows });

  const refused = async (...args: readonly string[]) => {
    const { code, output } = await gradus(directory, 'eval', '--rejudge', ...args);
    expect(code, output).toBe(2);
    return output;
  };
  expect(await refused('absent', '--out', 'x')).toContain('--rejudge absent: holds no evaluation');
  expect(await refused('out', '--out', 'out')).toContain('holds an evaluation; give a folder of its own');
  expect(await refused('out', '--out', 'other')).toContain('holds a rejudging of');
  expect(await refused('out', '--out', 'x', '--model', 'm')).toContain("cannot be used with option '--model <dir>'");
  expect(await refused('out', '--out', 'x', '--set', 'seed=2')).toContain('only judges may change');
});

test('an evaluation that still runs, and one in which no judge has a part, are not judged again', async () => {
  const directory = await temporaryDirectory('gradus-rejudge-');
  const slow = recipe('http://127.0.0.1:9/v1', ', latency_median_ms: 300000').replace(
    'turn_timeout_ms: 30000',
    'turn_timeout_ms: 400000',
  );
  await writeFile(
    join(directory, 'slow.yaml'),
    slow.replace('rollout_timeout_ms: 60000', 'rollout_timeout_ms: 500000'),
  );
  await writeFile(
    join(directory, 'plain.yaml'),
    recipe('http://127.0.0.1:9/v1')
      .replace('exact_match: 0, f1: 0, grade: 1', 'exact_match: 1')
      .replace('metric: grade', ''),
  );
  const running = startGradus(directory, 'eval', 'slow.yaml', '--out', 'slow');
  await running.says(/started run eval/);
  const early = await gradus(directory, 'eval', '--rejudge', 'slow', '--out', 'x');
  expect(early, early.output).toMatchObject({ code: 2 });
  expect(early.output).toContain('it has not finished, and its fleet runs');
  running.process.kill('SIGINT');

  const plain = await gradus(directory, 'eval', 'plain.yaml', '--out', 'plain');
  expect(plain, plain.output).toMatchObject({ code: 0 });
  const unjudged = await gradus(directory, 'eval', '--rejudge', 'plain', '--out', 'x');
  expect(unjudged, unjudged.output).toMatchObject({ code: 2 });
  expect(unjudged.output).toContain('no judge has a part in it');
});
