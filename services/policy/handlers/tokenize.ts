import type { MessageInitShape } from '@bufbuild/protobuf';
import type { TokenizeRequest, TokenizeResponseSchema } from '#proto/policy/v1/policy_pb.ts';
import type { PolicyContext } from '../service.ts';

export function tokenize(
  { tokenizer, events }: PolicyContext,
  request: TokenizeRequest,
): MessageInitShape<typeof TokenizeResponseSchema> {
  const tokenIds = tokenizer.encode(request.text);
  events.textTokenized(tokenIds.length);
  return { tokenIds, tokenizerHash: tokenizer.hash };
}
