import type { MessageInitShape } from '@bufbuild/protobuf';
import type { TokenizeRequest, TokenizeResponseSchema } from '#proto/policy/v1/policy_pb.ts';
import { TerminalError } from '#shared/errors.ts';
import type { PolicyContext } from '../service.ts';

const maxTexts = 256;

export function tokenize(
  { tokenizer, events }: PolicyContext,
  { text, texts }: TokenizeRequest,
): MessageInitShape<typeof TokenizeResponseSchema> {
  if (texts.length > maxTexts)
    throw new TerminalError('invalid_argument', `Tokenize: texts has ${texts.length} entries; at most ${maxTexts}`);
  const tokenIds = tokenizer.encode(text);
  const results = texts.map((each) => ({ tokenIds: tokenizer.encode(each) }));
  events.textTokenized(results.reduce((sum, each) => sum + each.tokenIds.length, tokenIds.length));
  return { tokenIds, tokenizerHash: tokenizer.hash, results };
}
