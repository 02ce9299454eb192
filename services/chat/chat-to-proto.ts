import type { MessageInitShape } from '@bufbuild/protobuf';
import type { ChatSchema } from '#proto/policy/v1/policy_pb.ts';
import { partsOf, type Continuation, type Conversation } from './conversation.ts';

/** What `Tokenize` of the policy service takes; plain JSON, too. */
export function chatToProto(chat: Conversation | Continuation): MessageInitShape<typeof ChatSchema> {
  const continues = 'after' in chat;
  return {
    messages: (continues ? chat.after : chat.messages).map((message) => ({
      role: message.role,
      parts: partsOf(message).map(({ text, trusted = false }) => ({ text, trusted })),
    })),
    continues,
    thinking: chat.thinking ?? false,
    toolsJson: 'tools' in chat && chat.tools !== undefined ? JSON.stringify(chat.tools) : '',
  };
}
