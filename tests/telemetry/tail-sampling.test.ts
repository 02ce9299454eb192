import { create } from '@bufbuild/protobuf';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { parse } from 'yaml';
import { z } from 'zod';
import { FailureClass, RolloutResultSchema } from '#proto/rollout/v1/result_pb.ts';
import { resultAttributes } from '#trajectory/rollout-span.ts';

const page = readFileSync(join(import.meta.dirname, '../../docs/how-to/read-traces.md'), 'utf8');
const policy = z.looseObject({
  name: z.string(),
  type: z.string(),
  string_attribute: z.object({ key: z.string(), values: z.array(z.string()) }).optional(),
});

test('the tail sampling of the page keeps the traces of rollouts that failed, by what their spans say', () => {
  const [, yaml = ''] = /```yaml\n(processors:\n.*?)```/s.exec(page) ?? [];
  const { processors } = z
    .object({ processors: z.object({ tail_sampling: z.object({ policies: z.array(policy) }) }) })
    .parse(parse(yaml));
  const failed = processors.tail_sampling.policies.find(({ name }) => name === 'failed')?.string_attribute;
  const keeps = (failure: FailureClass): boolean => {
    const value = resultAttributes(create(RolloutResultSchema, { failure }))[failed?.key ?? ''];
    return typeof value === 'string' && (failed?.values ?? []).some((pattern) => new RegExp(pattern).test(value));
  };
  expect(keeps(FailureClass.TURN_LIMIT)).toBe(true);
  expect(keeps(FailureClass.POLICY_UNAVAILABLE)).toBe(true);
  expect(keeps(FailureClass.UNSPECIFIED)).toBe(false);
});
