import { faultInWords } from '#user-code/user-code-error.ts';
import type { ChatPart, Conversation } from '#chat/conversation.ts';
import { neutralise, type Codec } from '../kit/codec.ts';
import { openingMessages } from '../kit/options.ts';
import type { Tool } from '../kit/tools.ts';
import type { ToolsOptions } from './options.ts';

export interface PromptRow {
  readonly id: string;
  readonly data: Readonly<Record<string, unknown>>;
}

/** The template with the tools, how to call them, and columns of the row. UserCodeError where the row lacks one. */
export function promptOf(
  options: Pick<ToolsOptions, 'prompt_template' | 'system_prompt' | 'chat' | 'codec' | 'think'>,
  row: PromptRow,
  codec: Codec,
  tools: readonly Tool[],
): string | Conversation {
  const render = (template: string): ChatPart[] => partsOf(template, row, codec, tools);
  const asked = render(options.prompt_template);
  if (!options.chat) return asked.map(({ text }) => text).join('');
  const { system_prompt: system } = options;
  return openingMessages(system === undefined ? undefined : render(system), asked, tools, options);
}

const placeholder = /\{([A-Za-z_][A-Za-z0-9_]*)\}/;
const ownNames: readonly string[] = ['tools', 'call', 'answer'];

/** Columns of rows that the prompt of these options shows. */
export function promptColumns(
  options: Pick<ToolsOptions, 'prompt_template' | 'system_prompt' | 'chat'>,
): readonly string[] {
  const shown = [options.prompt_template, options.chat ? (options.system_prompt ?? '') : ''];
  const names = shown.flatMap((template) => template.split(placeholder).filter((_, index) => index % 2 === 1));
  return [...new Set(names)].filter((name) => !ownNames.includes(name));
}

/** Odd parts of the split are names in braces. */
function partsOf(template: string, row: PromptRow, codec: Codec, tools: readonly Tool[]): ChatPart[] {
  return template.split(placeholder).map((part, index) => {
    if (index % 2 === 0) return { text: part, trusted: true };
    switch (part) {
      case 'tools':
        return { text: tools.map(lineOf).join('\n') };
      case 'call':
        return { text: codec.renderCall('NAME', { ARGUMENT: 'VALUE' }), trusted: true };
      case 'answer':
        return { text: codec.renderAnswer('ANSWER'), trusted: true };
      default:
        return { text: columnOf(row, part) };
    }
  });
}

function columnOf({ id, data }: PromptRow, name: string): string {
  const value = data[name];
  if (value !== undefined) return neutralise(typeof value === 'string' ? value : JSON.stringify(value));
  throw faultInWords(`row ${id} has no column '${name}', which its prompt wants`);
}

/** Texts of the outside world, as results are. */
function lineOf({ name, about, parameters }: Tool): string {
  return neutralise(JSON.stringify({ name, description: about, parameters }));
}
