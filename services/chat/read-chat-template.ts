import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { TerminalError } from '#platform/errors.ts';
import { isMissing } from '#platform/files/file-error.ts';

export interface ChatTemplate {
  /** The file that it comes from. */
  readonly path: string;
  /** Jinja. */
  readonly source: string;
  /** Variables that templates read: `bos_token` and the like, as text. */
  readonly tokens: Readonly<Record<string, string>>;
}

/** Published ones have a few thousand characters. */
const mostCharacters = 256 * 1024;

const tokenText = z.union([z.string(), z.object({ content: z.string() }).transform(({ content }) => content)]);
const configSchema = z.object({
  chat_template: z
    .union([z.string(), z.array(z.object({ name: z.string(), template: z.string() }))])
    .nullish()
    .transform((value) =>
      Array.isArray(value) ? value.find(({ name }) => name === 'default')?.template : (value ?? undefined),
    ),
  bos_token: tokenText.nullish(),
  eos_token: tokenText.nullish(),
  pad_token: tokenText.nullish(),
  unk_token: tokenText.nullish(),
});

/**
 * The chat template of a model directory: `chat_template.jinja`, else `chat_template` of `tokenizer_config.json`; undefined where there is
 * neither. Throws TerminalError('invalid_argument') for a file that is not what it should be.
 */
export async function readChatTemplate(directory: string): Promise<ChatTemplate | undefined> {
  const file = join(directory, 'chat_template.jinja');
  const config = join(directory, 'tokenizer_config.json');
  const [alone, text] = await Promise.all([readIfThere(file), readIfThere(config)]);
  const { chat_template: inConfig, ...named } = parseConfig(text ?? '{}', config);
  const source = alone ?? inConfig;
  if (source === undefined) return undefined;
  const path = alone === undefined ? config : file;
  if (source.length > mostCharacters) {
    throw new TerminalError(
      'invalid_argument',
      `${path}: the chat template has ${source.length} characters; at most ${mostCharacters} are read`,
    );
  }
  const tokens = Object.entries(named).flatMap(([name, token]) => (typeof token === 'string' ? [[name, token]] : []));
  return { path, source, tokens: Object.fromEntries(tokens) };
}

async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (cause) {
    if (isMissing(cause)) return undefined;
    throw new TerminalError('invalid_argument', `${path} cannot be read`, { cause });
  }
}

function parseConfig(text: string, path: string): z.output<typeof configSchema> {
  try {
    return configSchema.parse(JSON.parse(text));
  } catch (cause) {
    const first = cause instanceof z.ZodError ? cause.issues[0] : undefined;
    const why = first === undefined ? 'not JSON' : `${first.path.join('.')}: ${first.message}`;
    throw new TerminalError('invalid_argument', `${path}: ${why}; get the file anew`, { cause });
  }
}
