import { describe, expect, test } from 'vitest';
import { startScriptedJudge, type JudgeFault, type ScriptedReply } from '../../../tests/fakes/scripted-judge.ts';
import { judgeUnderTest } from './judge-under-test.ts';
import { gradeAnswer } from './questions/grade-answer.ts';
import { rateRubric } from './questions/rate-rubric.ts';

const { signal } = new AbortController();

const question = (answer = 'quality=1') =>
  gradeAnswer({ question: 'Where?', references: ['Paris'], answer, maxCharacters: 1000 });
const rubric = rateRubric({
  question: 'Where?',
  references: [],
  answer: 'quality=0.75',
  criteria: [{ name: 'clear', description: 'is clear' }],
  maxCharacters: 1000,
});

/** Says these one after the other, then the last one forever. */
const inTurn =
  (...replies: ScriptedReply[]) =>
  (_: unknown, call: number): ScriptedReply =>
    replies[Math.min(call, replies.length) - 1] ?? 'A';

describe('a judge', () => {
  test('asks at temperature 0, with the model, a bound on tokens and the key', async () => {
    await using endpoint = await startScriptedJudge();
    const { judge } = judgeUnderTest(endpoint.baseUrl, { maxTokens: 7 }, { apiKey: 'sesame' });
    expect(await judge.ask(question(), signal)).toEqual({
      kind: 'verdict',
      value: 'correct',
      replyId: 'reply-1',
      source: 'asked',
    });
    const [{ request, headers } = { request: undefined, headers: undefined }] = endpoint.requests;
    expect(request).toMatchObject({ model: 'scripted', temperature: 0, max_tokens: 7 });
    expect(headers?.authorization).toBe('Bearer sesame');
  });

  test('names the most tokens as its endpoint wants them, and says what to set where that is refused', async () => {
    await using endpoint = await startScriptedJudge({
      script: ({ max_tokens: old }) => {
        if (old === undefined || old === null) return 'A';
        return { status: 400, body: "'max_tokens' is not supported. Use 'max_completion_tokens' instead." };
      },
    });
    expect(await judgeUnderTest(endpoint.baseUrl).judge.ask(question(), signal)).toMatchObject({
      reason: 'refused',
      detail: expect.stringContaining('; set max_tokens_field: max_completion_tokens'),
    });
    const { judge } = judgeUnderTest(endpoint.baseUrl, { maxTokensField: 'max_completion_tokens' });
    expect(await judge.ask(question(), signal)).toMatchObject({ kind: 'verdict' });
  });

  test('asks for a schema where the reply has one, and no more once the endpoint refuses it', async () => {
    const body = '{"error": {"message": "response_format json_schema is not supported"}}';
    await using endpoint = await startScriptedJudge({
      script: ({ response_format }) => (response_format === undefined ? '{"clear": 0.75}' : { status: 400, body }),
    });
    const { judge } = judgeUnderTest(endpoint.baseUrl, { cacheMebibytes: 0 });
    expect(await judge.ask(rubric, signal)).toMatchObject({ kind: 'verdict', value: { clear: 0.75 } });
    expect(await judge.ask(rubric, signal)).toMatchObject({ kind: 'verdict', value: { clear: 0.75 } });
    expect(endpoint.requests.map(({ request }) => request.response_format !== undefined)).toEqual([true, false, false]);
    expect(judge.snapshot().retryBudget).toBe(100);
  });

  test('asks the same question once: what was answered is kept, what is under way is shared', async () => {
    await using endpoint = await startScriptedJudge();
    const { judge, metrics } = judgeUnderTest(endpoint.baseUrl);
    const together = await Promise.all([judge.ask(question(), signal), judge.ask(question(), signal)]);
    expect(together.map((one) => one.kind === 'verdict' && one.source)).toEqual(['asked', 'shared']);
    expect(await judge.ask(question(), signal)).toMatchObject({ replyId: 'reply-1', source: 'cache' });
    await judge.ask(question('quality=0'), signal);
    expect(endpoint.requests).toHaveLength(2);
    const text = await metrics.render();
    expect(text).toContain('gradus_judge_questions_total{judge="main",outcome="cache"} 1');
    expect(text).toContain('gradus_judge_questions_total{judge="main",outcome="shared"} 1');
  });

  test('keeps replies within its bytes and forgets the oldest', async () => {
    await using endpoint = await startScriptedJudge({ script: () => `A${' '.repeat(400_000)}` });
    const { judge } = judgeUnderTest(endpoint.baseUrl, { cacheMebibytes: 1 });
    await judge.ask(question('one'), signal);
    await judge.ask(question('two'), signal);
    expect(await judge.ask(question('two'), signal)).toMatchObject({ source: 'cache' });
    expect(await judge.ask(question('one'), signal)).toMatchObject({ source: 'asked' });
  });

  test.each<[JudgeFault, string]>([
    ['server_error', 'unavailable'],
    ['cut', 'unavailable'],
    ['hang', 'timeout'],
    ['rate_limited', 'rate_limited'],
    ['garbage', 'unparsable'],
    ['malformed', 'unparsable'],
  ])('P2: an endpoint whose every call ends with %s gives an absence (%s), never a number', async (fault, reason) => {
    await using endpoint = await startScriptedJudge({ script: () => fault });
    const { judge, metrics } = judgeUnderTest(endpoint.baseUrl, {
      attempts: 2,
      // Only what hangs is to run into it.
      ...(fault === 'hang' ? { requestTimeoutMs: 500 } : {}),
    });
    expect(await judge.ask(question(), signal)).toMatchObject({ kind: 'absent', reason });
    expect(endpoint.requests).toHaveLength(2);
    expect(await metrics.render()).toContain(`gradus_judge_questions_total{judge="main",outcome="${reason}"} 1`);
    // An absence is not kept: the next one asks again.
    await judge.ask(question(), signal);
    expect(endpoint.requests).toHaveLength(4);
  });

  test.each<[JudgeFault]>([['server_error'], ['cut'], ['rate_limited'], ['garbage'], ['malformed']])(
    'gets over one call that ends with %s',
    async (fault) => {
      await using endpoint = await startScriptedJudge({ script: inTurn(fault, 'B') });
      const { judge } = judgeUnderTest(endpoint.baseUrl);
      expect(await judge.ask(question(), signal)).toMatchObject({ value: 'incorrect', replyId: 'reply-2' });
    },
  );

  test('shows a judge its unreadable reply and says once more what it looks like', async () => {
    await using endpoint = await startScriptedJudge({ script: inTurn('garbage', 'A') });
    const { judge } = judgeUnderTest(endpoint.baseUrl);
    await judge.ask(question(), signal);
    const [, repair] = endpoint.requests;
    expect(repair?.request.messages.slice(-2)).toEqual([
      { role: 'assistant', content: 'I would rather not say.' },
      { role: 'user', content: expect.stringContaining('one letter: A, B or C') },
    ]);
  });

  test('P2: a request that is refused is not repeated, and the key is in no message', async () => {
    await using endpoint = await startScriptedJudge({ script: () => ({ status: 401, body: 'bad key sesame' }) });
    const { judge } = judgeUnderTest(endpoint.baseUrl, {}, { apiKey: 'sesame' });
    const judged = await judge.ask(question(), signal);
    expect(judged).toMatchObject({ kind: 'absent', reason: 'refused' });
    expect(JSON.stringify(judged)).not.toContain('sesame');
    expect(endpoint.requests).toHaveLength(1);
  });

  test('gives up at once when Retry-After is longer than the question may take', async () => {
    await using endpoint = await startScriptedJudge({ script: () => 'rate_limited', retryAfter: '3600' });
    const { judge } = judgeUnderTest(endpoint.baseUrl);
    expect(await judge.ask(question(), signal)).toMatchObject({ reason: 'rate_limited' });
    expect(endpoint.requests).toHaveLength(1);
  });

  test('an endpoint that is not there is an absence', async () => {
    const { judge } = judgeUnderTest('http://127.0.0.1:1/v1', { attempts: 1 });
    expect(await judge.ask(question(), signal)).toMatchObject({ kind: 'absent', reason: 'unavailable' });
  });

  test('retries stay within their budget however many questions fail', async () => {
    await using endpoint = await startScriptedJudge({ script: () => 'server_error' });
    const { judge } = judgeUnderTest(endpoint.baseUrl, {
      retryRatio: 0.1,
      retryReserve: 5,
      circuitMinCalls: 50,
      circuitFailureRatio: 1,
    });
    const asked = 40;
    let last;
    for (let index = 0; index < asked; index += 1) last = await judge.ask(question(`${index}`), signal);
    expect(last).toMatchObject({ detail: expect.stringContaining('the budget of retries is spent') });
    const { retries, calls } = judge.snapshot();
    expect(retries).toBeGreaterThanOrEqual(5);
    expect(retries).toBeLessThanOrEqual(5 + 0.1 * asked);
    expect(calls).toBe(endpoint.requests.length);
  });

  test('P2: an outage opens the circuit, then nothing is asked; one probe closes it again', async () => {
    let nowMs = 0;
    let down = true;
    await using endpoint = await startScriptedJudge({ script: () => (down ? 'server_error' : 'A') });
    const { judge, metrics } = judgeUnderTest(
      endpoint.baseUrl,
      { attempts: 1, circuitMinCalls: 3, circuitOpenMs: 1000 },
      { now: () => nowMs },
    );
    for (const answer of ['1', '2', '3']) await judge.ask(question(answer), signal);
    expect(await judge.ask(question('4'), signal)).toMatchObject({ kind: 'absent', reason: 'circuit_open' });
    expect(endpoint.requests).toHaveLength(3);
    expect(await metrics.render()).toContain('gradus_judge_circuit_level{judge="main"} 2');
    nowMs = 1000;
    down = false;
    expect(await judge.ask(question('5'), signal)).toMatchObject({ kind: 'verdict' });
    expect(judge.snapshot().circuit).toBe('closed');
  });

  test('makes no more calls at once than it may', async () => {
    await using endpoint = await startScriptedJudge({ latencyMs: { median: 5, sigma: 0 } });
    const { judge } = judgeUnderTest(endpoint.baseUrl, { concurrency: 3 });
    await Promise.all(Array.from({ length: 20 }, (_, index) => judge.ask(question(`${index}`), signal)));
    expect(endpoint.maxRunning).toBe(3);
  });

  test('lets in what has room and refuses the rest as a whole', async () => {
    const { judge } = judgeUnderTest('http://127.0.0.1:1', { concurrency: 1, queue: 3, groupConcurrency: 1 });
    const ticket = judge.admit(3);
    expect(() => judge.admit(2)).toThrow(/judge 'main': 3 questions wait already and 2 more do not fit into 4/);
    ticket.done();
    judge.admit(2)[Symbol.dispose]();
    expect(() => judge.admit(5)).toThrow(/5 questions in one call, 4 fit/);
  });

  test('P3: a question that takes too long in all is an absence, in the queue as well', async () => {
    await using endpoint = await startScriptedJudge({ script: () => 'hang' });
    const { judge } = judgeUnderTest(endpoint.baseUrl, { concurrency: 1, requestTimeoutMs: 60, itemTimeoutMs: 60 });
    const both = await Promise.all([judge.ask(question('1'), signal), judge.ask(question('2'), signal)]);
    expect(both).toMatchObject([{ reason: 'timeout' }, { reason: 'timeout' }]);
  });

  test('a caller who leaves ends the call when nobody else waits for it', async () => {
    const gone = Promise.withResolvers<void>();
    const here = Promise.withResolvers<void>();
    await using endpoint = await startScriptedJudge({
      script: () => {
        here.resolve();
        return 'hang';
      },
    });
    const { judge } = judgeUnderTest(endpoint.baseUrl);
    const controller = new AbortController();
    const asked = judge.ask(question(), controller.signal).finally(gone.resolve);
    await here.promise;
    controller.abort();
    await expect(asked).rejects.toMatchObject({ name: 'CancelledError' });
    await gone.promise;
    await expect.poll(() => endpoint.running).toBe(0);
    await expect.poll(() => judge.snapshot().running).toBe(0);
  });

  test('tokens are counted and priced', async () => {
    await using endpoint = await startScriptedJudge();
    const { judge } = judgeUnderTest(endpoint.baseUrl, { promptPrice: 2, completionPrice: 10 });
    await judge.ask(question(), signal);
    // The scripted judge reads 100 tokens and writes 10.
    expect(judge.snapshot()).toMatchObject({ calls: 1, promptTokens: 100, completionTokens: 10, cost: 0.0003 });
  });

  test('a reply without end is cut off and is an absence', async () => {
    await using endpoint = await startScriptedJudge({ script: () => 'A'.repeat(2 << 20) });
    const { judge } = judgeUnderTest(endpoint.baseUrl);
    expect(await judge.ask(question(), signal)).toMatchObject({ kind: 'absent', reason: 'unparsable' });
  });
});
