import { z } from 'zod';
import type { Chat, ChatSchema } from '#proto/policy/v1/policy_pb.ts';
import { type ChatMessage, type Continuation, type Conversation, partsOf } from './conversation.ts';
import { TerminalError } from '#platform/errors.ts';
import type { MessageInitShape } from '@bufbuild/protobuf';

const maxMessages = 1024;
const roles = ['system', 'user', 'assistant', 'tool'] as const;
const tools = z.array(z.unknown());

/** Throws TerminalError('invalid_argument') that begins with `where`. */
export function chatFromProto(
  { messages, continues, toolsJson, thinking }: Chat,
  where: string,
): Conversation | Continuation {
  if (messages.length === 0 || messages.length > maxMessages) {
    const message = `${where}.messages has ${messages.length} entries; 1 to ${maxMessages} are taken`;
    throw new TerminalError('invalid_argument', message);
  }
  const parsed = messages.map(({ role, parts }, at): ChatMessage => {
    const known = roles.find((name) => name === role);
    if (known !== undefined) return { role: known, content: parts };
    const message = `${where}.messages[${at}].role is '${role}'; it must be ${roles.join(', ')}`;
    throw new TerminalError('invalid_argument', message);
  });
  if (continues) return { after: parsed, thinking };
  return { messages: parsed, thinking, ...(toolsJson !== '' && { tools: parseTools(toolsJson, where) }) };
}

function parseTools(json: string, where: string): unknown[] {
  try {
    return tools.parse(JSON.parse(json));
  } catch (cause) {
    throw new TerminalError('invalid_argument', `${where}.tools_json is not a JSON array`, { cause });
  }
}

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
