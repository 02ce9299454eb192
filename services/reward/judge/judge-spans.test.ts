import { InMemorySpanExporter, SimpleSpanProcessor } from '@opentelemetry/sdk-trace-node';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { startTracing, type Tracing } from '#platform/telemetry/tracing.ts';
import { startScriptedJudge } from '../../../tests/fakes/scripted-judge.ts';
import { allPairs, fleet, graded } from '../groups/group-under-test.ts';
import { judgeUnderTest } from './judge-under-test.ts';
import { gradeAnswer } from './questions/grade-answer.ts';

const { signal } = new AbortController();
const question = gradeAnswer({
  question: 'A secret question?',
  references: ['a secret reference'],
  answer: 'quality=1 a secret answer',
  maxCharacters: 1000,
});

let exporter = new InMemorySpanExporter();
let tracing: Tracing;
beforeEach(async () => {
  exporter = new InMemorySpanExporter();
  tracing = await startTracing({ service: 'test', processor: new SimpleSpanProcessor(exporter) });
});
afterEach(() => tracing.shutdown());

const spansOf = (name: string) => exporter.getFinishedSpans().filter((span) => span.name === name);

describe('P7: spans of a judge', () => {
  test('say where the answer came from, calls and tokens, each cost once, and no text', async () => {
    await using endpoint = await startScriptedJudge({
      script: (_, call) => (call === 1 ? { status: 503, body: '' } : 'A'),
    });
    const { judge } = judgeUnderTest(endpoint.baseUrl);
    await Promise.all([judge.ask(question, signal), judge.ask(question, signal)]);
    await judge.ask(question, signal);
    const spans = spansOf('judge.ask');
    const about = { 'gradus.judge': 'main', 'gradus.template': question.template, 'gen_ai.request.model': 'scripted' };
    const free = { 'gradus.calls': 0, 'gen_ai.usage.input_tokens': 0, 'gen_ai.usage.output_tokens': 0 };
    const byCause = new Map(spans.map(({ attributes }) => [attributes['gradus.source'], attributes]));
    expect(new Set(byCause.keys())).toEqual(new Set(['asked', 'cache', 'shared']));
    expect(byCause.get('shared')).toEqual({ ...about, ...free, 'gradus.source': 'shared' });
    expect(byCause.get('cache')).toEqual({ ...about, ...free, 'gradus.source': 'cache' });
    const { promptTokens, completionTokens } = judge.snapshot();
    expect(promptTokens).toBeGreaterThan(0);
    expect(byCause.get('asked')).toEqual({
      ...about,
      'gradus.source': 'asked',
      'gradus.calls': 2,
      'gen_ai.usage.input_tokens': promptTokens,
      'gen_ai.usage.output_tokens': completionTokens,
    });
    expect(JSON.stringify(spans.map(({ attributes, events, status }) => [attributes, events, status]))).not.toContain(
      'secret',
    );
  });

  test('name the reason of an absence, which is not an error of the span', async () => {
    await using endpoint = await startScriptedJudge({ script: () => ({ status: 503, body: '' }) });
    const { judge } = judgeUnderTest(endpoint.baseUrl, { attempts: 3 });
    await judge.ask(question, signal);
    const [span] = spansOf('judge.ask');
    expect(span?.attributes).toMatchObject({ 'gradus.absent': 'unavailable', 'gradus.calls': 3 });
    expect(span?.status.code).toBe(0);
  });

  test('lie within the span of their group, in the trace of the caller', async () => {
    const { ask } = await fleet();
    await ask({ ...allPairs, samples: graded(0, 0.5, 1) });
    const [group] = spansOf('reward.score_group');
    const questions = spansOf('judge.ask');
    expect(questions).toHaveLength(6);
    expect(new Set(questions.map(({ parentSpanContext }) => parentSpanContext?.spanId))).toEqual(
      new Set([group?.spanContext().spanId]),
    );
    expect(group?.attributes).toEqual({
      'gradus.judge': 'main',
      'gradus.method': 'pairwise',
      'gradus.group_size': 3,
      'gradus.comparisons.planned': 3,
      'gradus.comparisons.judged': 3,
      'gradus.comparisons.by_rule': 0,
      'gradus.comparisons.missing': 0,
      'gradus.judgements': 6,
      'gradus.judgements.cached': 0,
    });
  });
});
