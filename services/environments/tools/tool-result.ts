import type { CallToolResult, ContentBlock } from '@modelcontextprotocol/client';
import { cutText } from '../kit/codec.ts';
import type { ToolResult } from '../kit/tools.ts';

/**
 * What a policy reads of an MCP result: its texts, or its structured content where there is no text. What is no text is named, so that
 * the policy knows that there was more.
 */
export function toolResultOf(
  { content, structuredContent, isError }: Pick<CallToolResult, 'content' | 'structuredContent' | 'isError'>,
  maxCharacters: number,
): ToolResult {
  const texts = content.flatMap(textOf);
  const refused = content.flatMap(refusedOf);
  if (texts.length === 0 && structuredContent !== undefined) texts.push(JSON.stringify(structuredContent));
  if (texts.length === 0 && refused.length > 0)
    return { error: `the tool gave ${refused.join(' and ')}, and only text can be read` };
  const whole = [...texts, ...refused.map((what) => `[${what}: only text can be read]`)].join('\n');
  const text = cutText(whole, maxCharacters);
  return isError === true ? { error: text === '' ? 'the tool failed' : text } : { text };
}

function textOf(block: ContentBlock): string[] {
  if (block.type === 'text') return [block.text];
  if (block.type === 'resource_link') return [`${block.name}: ${block.uri}`];
  if (block.type === 'resource' && 'text' in block.resource) return [block.resource.text];
  return [];
}

function refusedOf(block: ContentBlock): string[] {
  if (block.type === 'image' || block.type === 'audio') return [`${block.type} ${block.mimeType}`];
  if (block.type === 'resource' && 'blob' in block.resource)
    return [`resource ${block.resource.mimeType ?? block.resource.uri}`];
  return [];
}
