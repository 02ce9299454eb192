import type { MessageInitShape } from '@bufbuild/protobuf';
import type { DescribeResponseSchema } from '#proto/reward/v1/reward_pb.ts';
import { scorers } from '../scorers/registry.ts';

/** The names that a recipe may give weights to. */
export function describe(): MessageInitShape<typeof DescribeResponseSchema> {
  return { scorers: [...scorers.keys()] };
}
