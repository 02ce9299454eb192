import type { MessageInitShape } from '@bufbuild/protobuf';
import { EngineOutput, type DescribeResponseSchema, type EngineLoadSchema } from '#proto/policy/v1/policy_pb.ts';
import type { EndpointPolicyContext } from '../service.ts';
import { tokenizerHash } from './tokenize.ts';

export function loadOf({
  config,
  slots,
}: Pick<EndpointPolicyContext, 'config' | 'slots'>): MessageInitShape<typeof EngineLoadSchema> {
  return { running: config.maxRunning - slots.available, waiting: slots.waiting, capacity: config.maxRunning };
}

/** One engine whose weights stay at version 0 forever. */
export function describe(context: EndpointPolicyContext): MessageInitShape<typeof DescribeResponseSchema> {
  const load = loadOf(context);
  return {
    model: context.config.model,
    maxContextTokens: context.config.maxContext,
    tokenizerHash,
    version: 0n,
    running: load.running ?? 0,
    waiting: load.waiting ?? 0,
    engines: 1,
    output: EngineOutput.TEXT,
    fixedWeights: true,
    load,
  };
}
