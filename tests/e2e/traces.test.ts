import { readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { expect, onTestFinished, test, vi } from 'vitest';
import { rolloutSpan } from '#trajectory/rollout-span.ts';
import { startOtlpCollector } from '../fixtures/otlp-collector.ts';
import { rotelIsHere, startRotel } from '../fixtures/rotel.ts';
import { startGradus } from './gradus-process.ts';
import { temporaryDirectory } from '#platform/files/directory-under-test.ts';

const withoutRotel = rotelIsHere ? '' : ' (without a collector of others: `make rotel`)';
const recipe = resolve(import.meta.dirname, '../../recipes/rollouts-scripted.yaml');

test(`P7: each rollout of a run is one trace with its task, its turns, its tools and its reward, and the steps link what they were trained on${withoutRotel}`, async () => {
  const directory = await temporaryDirectory('gradus-traces-');
  using collector = await startOtlpCollector();
  // By way of a collector that others wrote, where there is one: what it cannot read does not come out of it.
  await using between = rotelIsHere ? await startRotel(collector.url, directory) : undefined;
  vi.stubEnv('GRADUS_OTLP_ENDPOINT', between?.url ?? collector.url);
  onTestFinished(() => void vi.unstubAllEnvs());
  const settings = [
    'stages.0.until.steps=2',
    'fleet.workers=1',
    'fleet.engines=1',
    'fleet.scripted.latency_median_ms=1',
  ];
  const run = startGradus(directory, 'run', recipe, '--run-id', 'traced', ...settings.flatMap((one) => ['--set', one]));
  expect(await run.exit(), run.output()).toBe(0);
  await between?.[Symbol.asyncDispose]();

  const roots = collector.spans.filter(({ name, parentId }) => name === 'rollout.publish' && parentId === '');
  const traces = new Set(roots.map(({ traceId }) => traceId));
  const { rollouts } = JSON.parse(await readFile(join(directory, 'runs/traced/summary.json'), 'utf8'));
  expect(roots).toHaveLength(rollouts.published);
  expect(traces.size).toBe(roots.length);

  const played = collector.spans.filter(({ name }) => name === 'gradus.rollout');
  expect(new Set(played.map(({ traceId }) => traceId))).toEqual(traces);
  for (const { traceId, attributes } of played) {
    expect(traceId).toBe(rolloutSpan('traced', String(attributes['gradus.rollout'])).traceId);
    expect(attributes).toMatchObject({
      'gradus.run': 'traced',
      'gradus.stage': 'play',
      'gradus.environment': 'search',
    });
    expect(attributes['gradus.reward']).toBeGreaterThanOrEqual(0);
    const own = collector.spans.filter((span) => span.traceId === traceId);
    const turns = own.filter(({ name }) => name === 'text_completion');
    expect(turns).toHaveLength(Number(attributes['gradus.turns']));
    const written = turns.reduce((sum, turn) => sum + Number(turn.attributes['gen_ai.usage.output_tokens']), 0);
    expect(written).toBe(attributes['gradus.tokens.model']);
    expect(own.filter(({ name }) => name.startsWith('execute_tool '))).toHaveLength(
      Number(attributes['gradus.tool_calls']),
    );
  }

  // What a person has is the id of a rollout.
  const [one] = played;
  const show = startGradus(directory, 'rollout', 'show', String(one?.attributes['gradus.rollout']), '--run', 'traced');
  expect(await show.exit(), show.output()).toBe(0);
  expect(show.output()).toContain(`trace ${one?.traceId}`);

  // Each rollout was played for one group, and each group says what became of it.
  const groups = collector.spans.filter(({ name }) => name === 'run.group');
  expect(groups.flatMap(({ links }) => links.map(({ traceId }) => traceId)).toSorted()).toEqual([...traces].toSorted());
  for (const { attributes } of groups)
    expect(['kept', 'no_variance', 'evaluated', 'surplus']).toContain(attributes['gradus.fate']);

  const steps = collector.spans.filter(({ name }) => name === 'run.train_step');
  expect(steps.map(({ attributes }) => attributes['gradus.step'])).toEqual([1, 2]);
  for (const { traceId, links } of steps) {
    expect(links.length).toBeGreaterThan(0);
    for (const link of links) expect(traces).toContain(link.traceId);
    expect(traces).not.toContain(traceId);
  }
});

test('P7: of a share of traces each is whole in the services of a run, and training steps are all there', async () => {
  const directory = await temporaryDirectory('gradus-traces-');
  using collector = await startOtlpCollector();
  vi.stubEnv('GRADUS_OTLP_ENDPOINT', collector.url);
  vi.stubEnv('GRADUS_OTLP_RATIO', '0.3');
  onTestFinished(() => void vi.unstubAllEnvs());
  const settings = [
    'stages.0.until.steps=2',
    'fleet.workers=1',
    'fleet.engines=1',
    'fleet.scripted.latency_median_ms=1',
  ];
  const run = startGradus(directory, 'run', recipe, '--run-id', 'share', ...settings.flatMap((one) => ['--set', one]));
  expect(await run.exit(), run.output()).toBe(0);

  const tracesOf = (name: string) =>
    collector.spans
      .filter((span) => span.name === name)
      .map(({ traceId }) => traceId)
      .toSorted();
  const { rollouts } = JSON.parse(await readFile(join(directory, 'runs/share/summary.json'), 'utf8'));
  const published = tracesOf('rollout.publish');
  expect(published.length).toBeGreaterThan(0);
  expect(published.length).toBeLessThan(rollouts.published);
  // The worker and what it calls record the same ones.
  expect(tracesOf('gradus.rollout')).toEqual(published);
  const turns = collector.spans.filter(({ name }) => name === 'text_completion');
  expect(new Set(turns.map(({ traceId }) => traceId))).toEqual(new Set(published));
  expect(tracesOf('run.train_step')).toHaveLength(2);
});
