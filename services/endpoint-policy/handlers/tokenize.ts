import { createHash } from 'node:crypto';
import type { MessageInitShape } from '@bufbuild/protobuf';
import type { TokenizeRequest, TokenizeResponseSchema } from '#proto/policy/v1/policy_pb.ts';
import { chatFromProto } from '#chat/chat-proto.ts';
import { TerminalError } from '#platform/errors.ts';
import { messagesOf, shown } from '../conversation/render.ts';
import { encodeMessages } from '../conversation/sequence.ts';

/** In the place of a tokenizer's: sequences of this service are of one another's kind, and of nobody else's. */
export const tokenizerHash = createHash('sha256').update('gradus endpoint sequence 1').digest('hex');

const maxTexts = 256;

/** Text as it stands is a message of the user: an endpoint knows nothing else. */
export function tokenize({ text, texts, chats }: TokenizeRequest): MessageInitShape<typeof TokenizeResponseSchema> {
  for (const [field, { length }] of Object.entries({ texts, chats })) {
    if (length > maxTexts)
      throw new TerminalError('invalid_argument', `Tokenize: ${field} has ${length} entries; at most ${maxTexts}`);
  }
  const idsOf = (content: string): number[] => encodeMessages([{ role: 'user', content }]);
  return {
    tokenIds: text === '' ? [] : idsOf(text),
    tokenizerHash,
    results: texts.map((each) => ({ tokenIds: idsOf(each) })),
    chats: chats.map((chat, at) => {
      const messages = messagesOf(chatFromProto(chat, `Tokenize: chats[${at}]`));
      return { text: shown(messages), tokenIds: encodeMessages(messages) };
    }),
  };
}
