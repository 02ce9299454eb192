import type { EndpointMessage } from '#endpoint/chat-client.ts';
import { partsOf, type ChatMessage, type Continuation, type Conversation } from '#chat/conversation.ts';

/**
 * Messages of an environment as the endpoint gets them. Tools are listed in the system's message and results come from the user, in the
 * tags of Hermes: the environment reads calls out of the text, so that the server needs no support for tools.
 */
export function messagesOf(chat: Conversation | Continuation): EndpointMessage[] {
  if ('after' in chat) return chat.after.map(messageOf);
  const [first, ...rest] = chat.messages.map(messageOf);
  if (chat.tools === undefined || chat.tools.length === 0) return first === undefined ? [] : [first, ...rest];
  const listed = toolText(chat.tools);
  if (first?.role === 'system') return [{ role: 'system', content: `${first.content}\n\n${listed}` }, ...rest];
  return [{ role: 'system', content: listed }, ...(first === undefined ? [] : [first]), ...rest];
}

/** The same for people, in transcripts. */
export function shown(messages: readonly EndpointMessage[]): string {
  return [...messages.map(({ role, content }) => `[${role}]\n${content}\n`), '[assistant]\n'].join('');
}

function messageOf(message: ChatMessage): EndpointMessage {
  const content = partsOf(message)
    .map(({ text, trusted }) => (trusted === true ? text : text.replaceAll('<|', '&lt;|')))
    .join('');
  return message.role === 'tool'
    ? { role: 'user', content: `<tool_response>\n${content}\n</tool_response>` }
    : { role: message.role, content };
}

function toolText(tools: readonly unknown[]): string {
  return [
    'You may call one of these functions, given as JSON schema:',
    '<tools>',
    ...tools.map((tool) => JSON.stringify(tool)),
    '</tools>',
    'A call is a JSON object with the name of the function and its arguments:',
    '<tool_call>',
    '{"name": NAME, "arguments": {…}}',
    '</tool_call>',
  ].join('\n');
}
