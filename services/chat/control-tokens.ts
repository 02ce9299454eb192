/** A token that a tokenizer recognises in text before it cuts the rest into pieces. */
export interface AddedToken {
  readonly content: string;
  readonly special: boolean;
}

/** Marks of a format, such as `<|im_start|>` and `<tool_call>`; words and runs of spaces that are tokens of their own are none. */
export function controlTokensOf(tokens: readonly AddedToken[]): readonly string[] {
  return tokens
    .filter(({ content, special }) => content.length > 1 && (special || /^(?:<.*>|\[.*\])$/s.test(content)))
    .map(({ content }) => content)
    .toSorted((a, b) => b.length - a.length);
}

/**
 * Text of the outside world in which no control token is left: `<|im_end|>` becomes `&lt;|im_end|>`. What reads it still sees what was
 * there, and it can end no turn and open none.
 */
export function createNeutraliser(controlTokens: readonly string[]): (text: string) => string {
  if (controlTokens.length === 0) return (text) => text;
  const any = new RegExp(
    controlTokens.map((token) => token.replaceAll(/[\\^$.*+?()[\]{}|]/g, String.raw`\$&`)).join('|'),
    'g',
  );
  return (text) => {
    let changed = text;
    for (;;) {
      const next = changed.replace(any, broken);
      if (next === changed) return changed;
      changed = next;
    }
  };
}

/** A zero-width space, which no token of a format holds, where a token begins with something else than a bracket. */
function broken(token: string): string {
  const [first = ''] = token;
  return first === '<' ? `&lt;${token.slice(1)}` : `${first}\u200b${token.slice(first.length)}`;
}
