import type { MessageInitShape } from '@bufbuild/protobuf';
import type { DescribeResponseSchema } from '#proto/learner/v1/learner_pb.ts';
import type { RunHolder } from '../run/run-holder.ts';

export function describe({ run }: RunHolder): MessageInitShape<typeof DescribeResponseSchema> {
  return { runId: run?.runId ?? '', step: BigInt(run?.step ?? 0), parameters: 0n, device: 'scripted' };
}
