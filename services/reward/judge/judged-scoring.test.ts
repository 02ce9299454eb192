import type { MessageInitShape } from '@bufbuild/protobuf';
import { describe, expect, test } from 'vitest';
import type { JudgedComponentSchema } from '#proto/rollout/v1/judged_pb.ts';
import { startScriptedJudge } from '../../../tests/fakes/scripted-judge.ts';
import { startRewardUnderTest } from '../service-under-test.ts';
import { goldRow } from '../../../tests/fixtures/gold-item.ts';

type Component = MessageInitShape<typeof JudgedComponentSchema>;

const fast = { model: 'scripted', retryBaseMs: 1, retryMaxMs: 4 };
const grade: Component = { name: 'judged', judge: 'main', method: { case: 'grade', value: {} } };
const rubric: Component = {
  name: 'style',
  judge: 'main',
  method: {
    case: 'rubric',
    value: {
      criteria: [
        { name: 'clear', description: 'one reading', weight: 3 },
        { name: 'brief', description: 'no word too many', weight: 1 },
      ],
    },
  },
};

function answering(text: string) {
  return { text: `<answer>${text}</answer>`, action: { case: 'answer', value: { text } } } as const;
}

const itemOf = (id: string, text: string, judged: Component[]) => ({
  id,
  row: goldRow({ question: 'Where?', answers: ['Paris'] }),
  turns: text === '' ? [] : [answering(text)],
  scorers: [{ name: 'format' }],
  judged,
});

describe('Score with judged components', () => {
  test('adds what the judge says to the components, and reports which reply it was read from', async () => {
    await using endpoint = await startScriptedJudge();
    await using service = await startRewardUnderTest({ main: { ...fast, baseUrl: endpoint.baseUrl } });
    const { scores } = await service.reward.score({
      items: [itemOf('right', 'quality=0.75', [grade, rubric]), itemOf('wrong', 'quality=0', [grade])],
    });
    expect(scores[0]).toMatchObject({ components: { judged: 1, style: 0.75 }, absent: {} });
    expect(scores[0]?.judgements['judged']).toMatchObject({ grade: 'correct', source: 'asked' });
    expect(scores[0]?.judgements['style']).toMatchObject({ criteria: { clear: 0.75, brief: 0.75 } });
    expect(endpoint.replies.has(scores[0]?.judgements['judged']?.replyId ?? '')).toBe(true);
    expect(scores[1]).toMatchObject({ components: { judged: 0 } });
  });

  test('an episode without an answer is not attempted, by rule', async () => {
    await using service = await startRewardUnderTest({ main: { ...fast, baseUrl: 'http://127.0.0.1:1' } });
    const method = { case: 'grade', value: { notAttempted: 0.25 } } as const;
    const { scores } = await service.reward.score({ items: [itemOf('none', '', [{ ...grade, method }, rubric])] });
    expect(scores[0]).toMatchObject({ components: { judged: 0.25, style: 0 } });
    expect(scores[0]?.judgements['judged']).toMatchObject({ source: 'rule', grade: 'not_attempted', replyId: '' });
  });

  test('P2: a judge that is unavailable makes its component absent with the reason, and nothing else', async () => {
    await using endpoint = await startScriptedJudge({
      script: ({ messages }) => (messages[1]?.content.includes('unlucky') === true ? 'server_error' : 'A'),
    });
    await using service = await startRewardUnderTest({ main: { ...fast, attempts: 2, baseUrl: endpoint.baseUrl } });
    const { scores } = await service.reward.score({
      items: [itemOf('lucky', 'here', [grade]), itemOf('unlucky', 'unlucky', [grade])],
    });
    expect(scores[0]).toMatchObject({ components: { judged: 1 }, absent: {} });
    expect(scores[1]).toMatchObject({ components: { format: 1 }, absent: { judged: 'unavailable' }, judgements: {} });
    expect(scores[1]?.components).not.toHaveProperty('judged');
    expect(scores[1]?.absentDetails).toEqual({
      judged: expect.stringContaining("judge 'main' answered 503: overloaded"),
    });
  });

  test('a call that has no room in the queue is refused as a whole, to be tried later', async () => {
    await using endpoint = await startScriptedJudge({ script: () => 'hang' });
    const settings = { ...fast, concurrency: 1, queue: 2, groupConcurrency: 1, baseUrl: endpoint.baseUrl };
    await using service = await startRewardUnderTest({ main: settings });
    const controller = new AbortController();
    const first = service.reward.score(
      { items: [1, 2].map((index) => itemOf(`${index}`, `${index}`, [grade])) },
      { signal: controller.signal },
    );
    await expect.poll(() => endpoint.requests.length).toBe(1);
    const second = service.reward.score({ items: [3, 4].map((index) => itemOf(`${index}`, `${index}`, [grade])) });
    await expect(second).rejects.toMatchObject({ name: 'TransientError', code: 'resource_exhausted' });
    controller.abort();
    await expect(first).rejects.toMatchObject({ name: 'CancelledError' });
    // The caller has left: its room is free again, and its call to the judge has ended.
    await expect.poll(() => endpoint.running).toBe(0);
  });

  test('describe lists the judges, how they fare and what they cost', async () => {
    await using endpoint = await startScriptedJudge();
    const baseUrl = endpoint.baseUrl;
    await using service = await startRewardUnderTest({
      main: { ...fast, baseUrl, promptPrice: 1 },
      another: { ...fast, baseUrl },
    });
    await service.reward.score({ items: [itemOf('a', 'quality=1', [grade])] });
    const { judges } = await service.reward.describe({});
    expect(judges).toMatchObject([
      { name: 'another', circuit: 'closed', calls: 0n },
      { name: 'main', model: 'scripted', circuit: 'closed', calls: 1n, promptTokens: 100n, cost: 0.0001, waiting: 0 },
    ]);
  });

  test.each<[string, Component[], RegExp]>([
    [
      'an unknown judge',
      [{ ...grade, judge: 'maim' }],
      /judged\[0\]\.judge: no judge is named "maim"; did you mean 'main'/,
    ],
    ['a scorer’s name', [{ ...grade, name: 'f1' }], /judged\[0\]\.name: f1 is a scorer's/],
    ['a name with spaces', [{ ...grade, name: 'my judge' }], /judged\[0\]\.name: "my judge"; use lower case/],
    ['a name twice', [grade, grade], /judged\[1\]\.name: judged is listed twice/],
    ['no method', [{ name: 'x', judge: 'main' }], /judged\[0\]: method: missing; give grade or rubric/],
    [
      'a grade above 1',
      [{ ...grade, method: { case: 'grade', value: { notAttempted: 2 } } }],
      /grade\.not_attempted: 2; expected 0 to 1/,
    ],
    ['no criteria', [{ ...grade, method: { case: 'rubric', value: {} } }], /rubric\.criteria: found 0; give 1 to 16/],
    [
      'a criterion without weight',
      [{ ...grade, method: { case: 'rubric', value: { criteria: [{ name: 'a', description: 'b' }] } } }],
      /rubric\.criteria\[0\]\.weight: 0 for a; expected a finite number > 0/,
    ],
  ])('P2: %s is an error that names item and field', async (_, judged, message) => {
    await using service = await startRewardUnderTest({ main: { ...fast, baseUrl: 'http://127.0.0.1:1' } });
    const failure = service.reward.score({ items: [itemOf('bad', 'x', judged)] });
    await expect(failure).rejects.toMatchObject({ code: 'invalid_argument' });
    await expect(failure).rejects.toThrow(message);
    await expect(failure).rejects.toThrow(/items\[0\] \(id "bad"\)/);
  });

  test('a judged component without a question is refused', async () => {
    await using service = await startRewardUnderTest({ main: { ...fast, baseUrl: 'http://127.0.0.1:1' } });
    await expect(
      service.reward.score({
        items: [{ ...itemOf('a', 'x', [grade]), row: goldRow({ question: ' ', answers: ['Paris'] }) }],
      }),
    ).rejects.toThrow(/question: empty; a judged component needs to know/);
  });
});
