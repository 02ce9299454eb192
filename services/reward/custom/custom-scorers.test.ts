import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { createLogger } from '#platform/telemetry/logging.ts';
import { startRewardUnderTest } from '../service-under-test.ts';
import { itemFor, scorerFolder } from './scorers-under-test.ts';

const examples = join(import.meta.dirname, '../../../recipes/scorers');

function temporaryScorers() {
  const folder = scorerFolder();
  onTestFinished(() => folder[Symbol.dispose]());
  return folder;
}

describe('P2: a scorer that cannot be used', () => {
  test.each<[string, string, string, RegExp]>([
    ['with a syntax error', 'own.ts', 'export default {', /scorers\.own: .*own\.ts cannot be used: .*SyntaxError/s],
    [
      'without a default export',
      'own.ts',
      'export const score = 1;',
      /it has no default export; write: export default/,
    ],
    ['without a function', 'own.ts', 'export default { score: 1 };', /its default export has no function `score`/],
    ['with no schema', 'own.ts', 'export default { settings: {}, score: () => 1 };', /its `settings` is not a schema/],
    ['that throws as it loads', 'own.ts', "throw new Error('not today');", /not today/],
    ['that exits as it loads', 'own.ts', 'process.exit(3);', /its process ended with exit code 3/],
    ['that is never loaded', 'own.ts', 'for (;;);', /it was not loaded within 3000 ms/],
    ['with a syntax error', 'own.py', 'def compute_score(:', /scorers\.own: .*own\.py cannot be used: .*SyntaxError/s],
    ['without its function', 'own.py', 'x = 1', /it has no function compute_score/],
    [
      'with another signature',
      'own.py',
      'def compute_score(answer): return 1',
      /missing a required argument: 'answer'/,
    ],
    ['that imports what is not there', 'own.py', 'import no_such_module', /No module named 'no_such_module'/],
  ])('%s (%s) keeps the service from starting', async (_, name, text, message) => {
    const path = temporaryScorers().write(name, text);
    const own = { kind: name.endsWith('.py') ? 'python' : 'typescript', path, startTimeoutMs: 3000 };
    // What loads slowly on a busy machine is late as well, but it is refused all the same.
    const late = /it was not loaded within 3000 ms/;
    const failure = startRewardUnderTest({}, { scorers: { own } });
    await expect(failure).rejects.toMatchObject({ name: 'TerminalError', code: 'failed_precondition' });
    await expect(failure).rejects.toThrow(new RegExp(`${message.source}|${late.source}`, 's'));
  });

  test('that is not there is named with the folder it was looked for in', async () => {
    const failure = startRewardUnderTest({}, { scorers: { own: { kind: 'python', path: 'no/such.py' } } });
    await expect(failure).rejects.toThrow(/scorers\.own\.path: 'no\/such\.py' cannot be read; .*working directory/);
  });

  test('for want of its key keeps the service from starting', async () => {
    const own = { kind: 'http', url: 'http://127.0.0.1:1/', keyEnv: 'NO_SUCH_KEY' };
    const failure = startRewardUnderTest({}, { scorers: { own } });
    await expect(failure).rejects.toThrow(/scorers\.own\.keyEnv: variable NO_SUCH_KEY is empty or not set/);
  });
});

describe('a call with custom scorers', () => {
  const few_calls = { kind: 'typescript', path: join(examples, 'few_calls.ts') };

  test.each<[string, object, RegExp]>([
    ['a setting that is not in its schema', { free_cals: 1 }, /settings of few_calls: Unrecognized key: "free_cals"/],
    ['a setting out of bounds', { free_calls: -1 }, /settings of few_calls: free_calls: Too small/],
  ])('P2: with %s is refused before anything is scored', async (_, settings, message) => {
    await using service = await startRewardUnderTest({}, { scorers: { few_calls } });
    const wrong = itemFor('few_calls', 'Paris', { id: 'bad', settingsJson: JSON.stringify(settings) });
    const failure = service.reward.score({ items: [itemFor('few_calls', 'Paris'), wrong] });
    await expect(failure).rejects.toMatchObject({ name: 'TerminalError', code: 'invalid_argument' });
    await expect(failure).rejects.toThrow(/items\[1\] \(id "bad"\): scorers\[1\]\.settings_json/);
    await expect(failure).rejects.toThrow(message);
    expect((await service.reward.describe({})).custom[0]?.calls).toBe(0n);
  });

  test('describe says what is wrong with settings, and scores nothing', async () => {
    await using service = await startRewardUnderTest({}, { scorers: { few_calls } });
    const settings = ['', '{"free_calls":2}', '{"free_cals":1}', '[]', 'x'.repeat(4097)];
    const { settingsProblems, custom } = await service.reward.describe({
      customSettings: [
        ...settings.map((settingsJson) => ({ name: 'few_calls', settingsJson })),
        { name: 'another', settingsJson: '{' },
      ],
    });
    expect(settingsProblems).toEqual({
      2: expect.stringContaining('Unrecognized key: "free_cals"'),
      3: expect.stringContaining('give one object'),
      4: '4097 characters; at most 4096',
    });
    expect(custom[0]?.calls).toBe(0n);
  });

  test('P8: the coin of controls is fair, and falls the same way for a rollout that is scored again', async () => {
    const coin = { kind: 'typescript', path: join(examples, 'coin.ts') };
    await using service = await startRewardUnderTest({}, { scorers: { coin } });
    const items = Array.from({ length: 200 }, (_, at) => itemFor('coin', 'Paris', { id: `rollout-${at}` }));
    const tossed = async (): Promise<unknown[]> =>
      (await service.reward.score({ items })).scores.map(({ components }) => components['coin']);
    const first = await tossed();
    expect(first.every((side) => side === 0 || side === 1)).toBe(true);
    // Six standard deviations of a fair coin are 42 of 200.
    expect(Math.abs(first.filter((side) => side === 1).length - 100)).toBeLessThan(42);
    expect(await tossed()).toEqual(first);
  });

  test('P2: settings for a scorer without a schema are refused', async () => {
    const path = temporaryScorers().write('own.ts', 'export default { score: () => 1 };');
    await using service = await startRewardUnderTest({}, { scorers: { own: { kind: 'typescript', path } } });
    const failure = service.reward.score({ items: [itemFor('own', 'Paris', { settingsJson: '{"most": 1}' })] });
    await expect(failure).rejects.toThrow(/settings of own: unknown setting "most"; it has none/);
  });

  test('P2: an unknown name is refused, with a suggestion from the custom ones too', async () => {
    await using service = await startRewardUnderTest({}, { scorers: { few_calls } });
    const failure = service.reward.score({ items: [itemFor('few_cals', 'Paris')] });
    await expect(failure).rejects.toThrow(/unknown scorer "few_cals"; did you mean few_calls\?/);
  });

  test('a thousand rollouts through two processes come back in order, and none is lost', async () => {
    const path = temporaryScorers().write(
      'own.ts',
      // Time is the subject: replies come in another order than the questions.
      `export default {
        async score({ id }) {
          await new Promise((resolve) => setTimeout(resolve, Number(id) % 3));
          return Number(id);
        },
      };`,
    );
    const own = { kind: 'typescript', path, processes: 2, high: 1000, timeoutMs: 60_000 };
    await using service = await startRewardUnderTest({}, { scorers: { own } });
    const ids = Array.from({ length: 1000 }, (_, index) => index);
    const { scores } = await service.reward.score({
      items: ids.map((index) => itemFor('own', 'Paris', { id: String(index) })),
    });
    expect(scores.map(({ id, components }) => [id, components['own']])).toEqual(
      ids.map((index) => [String(index), index / 1000]),
    );
  });

  test('that has no room is refused as a whole, and so is one that never fits', async () => {
    const path = temporaryScorers().write('own.py', 'import time\ndef compute_score(**_): time.sleep(1000)');
    const own = { kind: 'python', path, processes: 1, queue: 2, timeoutMs: 600_000 };
    await using service = await startRewardUnderTest({}, { scorers: { own } });
    const items = (count: number) => Array.from({ length: count }, () => itemFor('own', 'Paris'));
    await expect(service.reward.score({ items: items(4) })).rejects.toThrow(/4 rollouts in one call, 3 fit/);
    const gaveUp = new AbortController();
    const waiting = service.reward.score({ items: items(2) }, { signal: gaveUp.signal });
    await expect
      .poll(async () => await service.metrics.render(), { timeout: 30_000 })
      .toMatch(/gradus_custom_scorer_waiting_calls\{scorer="own"\} 1/);
    const failure = service.reward.score({ items: items(2) });
    await expect(failure).rejects.toMatchObject({ name: 'TransientError', code: 'resource_exhausted' });
    gaveUp.abort();
    await expect(waiting).rejects.toMatchObject({ name: 'CancelledError' });
    await expect
      .poll(async () => await service.metrics.render(), { timeout: 30_000 })
      .toMatch(/gradus_custom_scorer_waiting_calls\{scorer="own"\} 0/);
  });

  test('P2: one that throws leaves its component absent, whatever the item has next to it', async () => {
    const path = temporaryScorers().write('own.ts', "export default { score() { throw new Error('no'); } };");
    await using service = await startRewardUnderTest({}, { scorers: { own: { kind: 'typescript', path } } });
    const scorers = [{ name: 'exact_match' }, { name: 'own' }];
    const { scores } = await service.reward.score({ items: [{ ...itemFor('own', 'Paris'), scorers }] });
    expect(scores).toMatchObject([{ components: { exact_match: 1 }, absent: { own: 'threw' } }]);
    expect(scores[0]?.components).not.toHaveProperty('own');
  });

  test('what it throws and prints is in the log under its name, and no more than a little of it', async () => {
    const path = temporaryScorers().write(
      'own.ts',
      `export default { score({ id }) { console.log('here is ' + id + ' ' + 'x'.repeat(100_000)); throw new Error('not ' + id); } };`,
    );
    const lines: string[] = [];
    const log = createLogger({
      service: 'reward',
      level: 'info',
      destination: { write: (line) => void lines.push(line) },
    });
    await using service = await startRewardUnderTest(
      {},
      { scorers: { own: { kind: 'typescript', path, processes: 1 } }, log },
    );
    const items = Array.from({ length: 100 }, (_, index) => itemFor('own', 'Paris', { id: `item-${index}` }));
    await service.reward.score({ items });
    const prints = lines.filter((line) => line.includes('a scorer prints'));
    expect(prints[0]).toContain('here is item-0');
    expect(JSON.parse(prints[0] ?? '')).toMatchObject({ scorer: 'own', stream: 'stdout' });
    const absences = lines.filter((line) => line.includes('a scorer gave no score'));
    expect(JSON.parse(absences[0] ?? '')).toMatchObject({
      scorer: 'own',
      item: 'item-0',
      reason: 'threw',
      detail: expect.stringMatching(/Error: not item-0\n\s+at .*own\.ts/),
    });
    // Ten in ten seconds; the machine may take more than one such window.
    expect(Math.max(prints.length, absences.length)).toBeLessThan(100);
    expect(lines.join('').length).toBeLessThan(300_000);
  });

  test.each(['typescript', 'python'])(
    'in %s sees its settings and the rollout, and no key of the service',
    async (kind) => {
      const folder = temporaryScorers();
      const path =
        kind === 'python'
          ? folder.write(
              'own.py',
              `import os
def compute_score(data_source, solution_str, ground_truth, extra_info):
    first = extra_info["turns"][0]
    return all([
        "JUDGE_KEY" not in os.environ and "PATH" in os.environ, data_source == "mine", ground_truth == ["Paris", "City of Light"],
        solution_str == '<tool>{"name": "websearch"}</tool>\\n<answer>Rome</answer>', extra_info["question"] == "Where?",
        first["tool"] == "websearch" and first["facts"]["page_titles"] == ["France"], extra_info["row"]["gold"]["support_titles"] == ["Paris (city)"],
        first["arguments"] == {"query": "Where?"} and first["result"] == "France: a country", extra_info["row"]["tags"] == {"hops": "2"},
        extra_info["tokens"]["model"] == 20, extra_info["prediction"] == "Rome", extra_info["settings"] == {"most": 3},
    ])`,
            )
          : folder.write(
              'own.ts',
              `import { defineScorer, z } from 'gradus/scorer';
            export default defineScorer({
              settings: z.strictObject({ most: z.int() }),
              score({ question, answers, prediction, turns: [first], row, tokens }, { most }) {
                return process.env.JUDGE_KEY === undefined && process.env.PATH !== undefined && question === 'Where?' &&
                  answers[1] === 'City of Light' && prediction === 'Rome' && first.tool === 'websearch' &&
                  first.facts.page_titles[0] === 'France' && row.gold.support_titles[0] === 'Paris (city)' &&
                  first.arguments.query === 'Where?' && first.result === 'France: a country' && row.data.question === 'Where?' && tokens.model === 20 && most === 3;
              },
            });`,
            );
      const own = { kind, path, ...(kind === 'python' && { groundTruth: 'list', dataSource: 'mine' }) };
      await using service = await startRewardUnderTest(
        {},
        { scorers: { own }, environment: { ...process.env, JUDGE_KEY: 'sesame' } },
      );
      const { scores } = await service.reward.score({
        items: [itemFor('own', 'Rome', { settingsJson: '{"most": 3}' })],
      });
      expect(scores[0]?.components['own']).toBe(1);
    },
  );

  test('P2: a scorer that speaks for its host is absent, and fails nobody else', async () => {
    const path = temporaryScorers().write(
      'own.py',
      `import os\ndef compute_score(**_): os.write(3, b'{"id": 1, "checked": true}\\n')`,
    );
    await using service = await startRewardUnderTest({}, { scorers: { own: { kind: 'python', path, processes: 1 } } });
    const { scores } = await service.reward.score({ items: [itemFor('own', 'Paris')] });
    expect(scores[0]).toMatchObject({ absent: { own: 'crashed' } });
  });

  test.each(['typescript', 'python'])('in %s gets texts with line ends of any kind', async (kind) => {
    const folder = temporaryScorers();
    const path =
      kind === 'python'
        ? folder.write('own.py', 'def compute_score(extra_info, **_): return len(extra_info["prediction"]) / 10')
        : folder.write('own.ts', 'export default { score: ({ prediction }) => prediction.length / 10 };');
    await using service = await startRewardUnderTest({}, { scorers: { own: { kind, path } } });
    const { scores } = await service.reward.score({ items: [itemFor('own', 'a\u2028\u2029\u0085\r\n\0z')] });
    expect(scores[0]).toMatchObject({ components: { own: 0.8 }, absent: {} });
  });
});
