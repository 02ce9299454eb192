import { describe, expect, test } from 'vitest';
import type { Logger } from '#platform/telemetry/logging.ts';
import { startScriptedEndpoint } from '../../../tests/fakes/scripted-endpoint.ts';
import { startScriptedJudge, type ScriptedReply } from '../../../tests/fakes/scripted-judge.ts';
import { judgeUnderTest } from './judge-under-test.ts';
import { gradeAnswer } from './questions/grade-answer.ts';

const { signal } = new AbortController();
const question = gradeAnswer({ question: 'Capital?', references: ['Paris'], answer: 'Rome', maxCharacters: 1000 });

const said = (body: object, status = 200): ScriptedReply => ({ status, body: JSON.stringify(body) });
const completion = (content: unknown, finish = 'stop') => ({
  id: 'r',
  choices: [{ index: 0, message: { role: 'assistant', content }, finish_reason: finish }],
});
const refusal = (message: string, param?: string) => said({ error: { message, param, code: 'unsupported' } }, 400);

async function judged(script: (call: number, body: object) => ScriptedReply, settings: object = {}) {
  await using endpoint = await startScriptedJudge({ script: (request, call) => script(call, request) });
  const lines: unknown[] = [];
  const log = { warn: (fields: unknown) => lines.push(fields), info() {}, error() {}, debug() {} };
  // The logger has more than a judge asks of it.
  const { judge } = judgeUnderTest(endpoint.baseUrl, settings, { log: log as unknown as Logger });
  return { outcome: await judge.ask(question, signal), calls: endpoint.requests.length, lines, judge };
}

describe('P2: a reply that was not said in full is no verdict, whatever it holds', () => {
  test.each([
    ['<think>\nOkay. A correct answer would be Paris. The given answer is Rome, so it', 'length'],
    ['Grade: A', 'length'],
    ['A', 'max_tokens'],
    ['', 'length'],
  ])('%j, ended by %s', async (content, finish) => {
    const { outcome, lines } = await judged(() => said(completion(content, finish)), { maxTokens: 77 });
    const detail = expect.stringMatching(/cut at 77 tokens; raise max_tokens, or turn thinking off with extra_body/);
    expect(outcome).toMatchObject({ kind: 'absent', reason: 'unparsable', detail });
    expect(lines).toEqual([expect.objectContaining({ judge: 'main', reason: 'unparsable', detail })]);
  });

  test('nor is one that a filter has shortened', async () => {
    const { outcome } = await judged(() => said(completion('A', 'content_filter')));
    expect(outcome).toMatchObject({ kind: 'absent', detail: expect.stringContaining('a filter of the endpoint') });
  });

  test('and the next one, said in full, is', async () => {
    const { outcome, calls } = await judged((call) => said(completion('B', call === 1 ? 'length' : 'stop')));
    expect(outcome).toMatchObject({ kind: 'verdict', value: 'incorrect' });
    expect(calls).toBe(2);
  });
});

test.each([
  ['usage of null', { ...completion('B'), usage: null }],
  ['counts of null', { ...completion('B'), usage: { prompt_tokens: null, completion_tokens: null } }],
  ['a count of -1', { ...completion('B'), usage: { prompt_tokens: -1, completion_tokens: 5 } }],
  ['a count in words', { ...completion('B'), usage: { prompt_tokens: 'many', completion_tokens: 5 } }],
  ['an id of null', { ...completion('B'), id: null }],
  ['an id that is a number', { ...completion('B'), id: 7 }],
  ['nothing but the message', { choices: [{ message: { content: 'B' } }] }],
  ['content in parts', completion([{ type: 'text', text: 'B' }])],
  [
    'parts with thoughts',
    completion([
      { type: 'thinking', thinking: 'A' },
      { type: 'text', text: 'B' },
    ]),
  ],
])('a good reply with %s is read at the first call', async (_what, body) => {
  const { outcome, calls } = await judged(() => said(body));
  expect(outcome).toMatchObject({ kind: 'verdict', value: 'incorrect' });
  expect(calls).toBe(1);
});

describe('an error within status 200 is taken as with its status', () => {
  test.each([
    ['a code', { error: { message: 'Rate limit exceeded', code: 429 } }, 'rate_limited'],
    ['a code in words', { error: { message: 'slow down', code: 'rate_limit_exceeded' } }, 'rate_limited'],
    ['a type', { error: { message: 'later', type: 'overloaded_error' } }, 'rate_limited'],
    ['a choice', { choices: [{ error: { code: 502, message: 'upstream' }, message: { content: '' } }] }, 'unavailable'],
    ['no code', { error: 'something broke' }, 'unavailable'],
    ['an error object', { object: 'error', message: 'gone', code: 503 }, 'unavailable'],
  ])('that may pass (%s): it is waited for', async (_what, body, reason) => {
    const once = await judged((call) => (call <= 2 ? said(body) : 'B'));
    expect(once.outcome).toMatchObject({ kind: 'verdict', value: 'incorrect' });
    const always = await judged(() => said(body), { attempts: 2 });
    expect(always).toMatchObject({ outcome: { kind: 'absent', reason }, calls: 2 });
  });

  test('that cannot pass: it is refused once, with the sentence', async () => {
    const body = { error: { message: 'No such model: m', code: 404 } };
    expect(await judged(() => said(body))).toMatchObject({
      outcome: { reason: 'refused', detail: expect.stringContaining('200: No such model: m; check that model') },
      calls: 1,
    });
  });
});

describe('an endpoint that refuses says why, in the absence and in the log', () => {
  test.each([
    [
      refusal("'temperature' does not support 0 with this model."),
      /not support 0 .*set judges\.main\.temperature: null/,
    ],
    [
      refusal('Unsupported value', 'temperature'),
      /Unsupported value \(temperature\); set judges\.main\.temperature: null/,
    ],
    [refusal("Unsupported: 'max_tokens'. Use 'max_completion_tokens' instead."), /set max_tokens_field: max_comp/],
    [said({ error: { message: 'No key' } }, 401), /401: No key; name the variable .*: judges\.main\.api_key_env/],
    [said({ error: { message: 'Insufficient credit' } }, 402), /402: Insufficient credit; check the credit/],
    [said({ detail: 'Not Found' }, 404), /404: Not Found; check that model scripted is served there, and that the URL/],
    [{ status: 308, headers: { location: 'https://other/v1' }, body: '' }, /308: redirects to https:\/\/other\/v1,/],
  ])('%j', async (reply, sentence) => {
    const { outcome, calls, lines } = await judged(() => reply);
    const detail = expect.stringMatching(sentence);
    expect(outcome).toMatchObject({ kind: 'absent', reason: 'refused', detail });
    expect(calls).toBe(1);
    expect(lines).toEqual([{ judge: 'main', reason: 'refused', detail, unlogged: 0 }]);
  });

  test('a host that is not known is named', async () => {
    const { judge } = judgeUnderTest('http://judge.invalid/v1', { attempts: 1 });
    expect(await judge.ask(question, signal)).toMatchObject({
      reason: 'unavailable',
      detail: expect.stringMatching(/cannot be reached: .*judge\.invalid/),
    });
  });

  test('once a minute for each reason: a judge that fails, fails thousands of times', async () => {
    const { judge, lines } = await judged(() => said({ error: { message: 'No key' } }, 401));
    for (let more = 0; more < 3; more += 1) await judge.ask(question, signal);
    expect(lines.filter((line) => JSON.stringify(line).includes('refused'))).toHaveLength(1);
  });
});

test('a model that takes neither temperature nor max_tokens is usable by its settings', async () => {
  await using endpoint = await startScriptedEndpoint((body) => {
    const refused = ['max_tokens', 'temperature'].find((field) => field in body);
    if (refused !== undefined) return { status: 400, body: `Unsupported parameter: '${refused}'` };
    return body['reasoning_effort'] === 'low' ? 'B' : 'A';
  });
  const { judge } = judgeUnderTest(endpoint.baseUrl, {
    temperature: null,
    maxTokensField: 'max_completion_tokens',
    extraBody: { reasoning_effort: 'low' },
  });
  expect(await judge.ask(question, signal)).toMatchObject({ kind: 'verdict', value: 'incorrect' });
  expect(endpoint.calls).toHaveLength(1);
});
