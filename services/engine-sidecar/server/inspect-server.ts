import type { Tokenizer } from '#chat/tokenizer.ts';
import type { EngineServer, ServerDescription } from '#engines/kit/engine-server.ts';
import { TerminalError } from '#platform/errors.ts';

/** Words, digits, spaces, signs beyond ASCII and tags. */
const texts = [
  'The quick brown fox jumps over 13 lazy dogs.',
  '  def f(x):\n\treturn x**2  # naïve – 東京 🙂',
  '<answer> 1984 </answer><|im_end|>',
];

/**
 * What a server can do, found out by asking it. Throws TerminalError where nothing can be done with it: another tokenizer than ours, or text in the
 * place of tokens. Ids go in and out, so that both have to mean the same by an id; where text is cut is ours alone.
 */
export async function inspectServer(
  server: EngineServer,
  tokenizer: Tokenizer,
  signal: AbortSignal,
): Promise<ServerDescription> {
  const description = await server.describe(signal);
  const { program } = description;
  if (description.output === 'text') {
    throw new TerminalError(
      'failed_precondition',
      [
        `${program} gives text and no token ids, and what a policy wrote is never tokenised again.`,
        ...description.advice,
        `To evaluate it as it is, name it as model.endpoint of the recipe`,
      ].join(' '),
    );
  }
  for (const text of server.tokenize === undefined ? [] : texts) {
    const theirs = (await server.tokenize?.(text, signal)) ?? [];
    const read = tokenizer.decode(theirs);
    if (withoutSpace(read) === withoutSpace(tokenizer.decode(tokenizer.encode(text)))) continue;
    throw new TerminalError(
      'failed_precondition',
      `${program} has another tokenizer than ${tokenizer.path}: the ids that it makes of ${JSON.stringify(text)} are ${JSON.stringify(read)} there; ` +
        'give both the same model',
    );
  }
  return description;
}

/** Tokenizers differ in the spaces that they add to a text and take away again. */
const withoutSpace = (text: string): string => text.replaceAll(/\s+/g, '');
