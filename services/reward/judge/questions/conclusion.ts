const mark = /(?:<|\[|◁)(\/?)(?:seed:)?(?:think|thinking|thought|thoughts|reasoning)(?:>|\]|▷)/giu;
/** Of gpt-oss (harmony), where a server passes its channels through. */
const finalChannel = '<|channel|>final<|message|>';

/**
 * What a model says after it has thought: the text behind the last `</think>` (also as served without the opening tag, which a
 * chat template may hold). Empty while it still thinks: thoughts are tried and dropped, so nothing in them is a verdict.
 */
export function conclusionOf(text: string): string {
  const final = text.lastIndexOf(finalChannel);
  if (final >= 0) return text.slice(final + finalChannel.length).replace(/<\|(?:end|return)\|>\s*$/u, '');
  if (text.includes('<|channel|>')) return '';
  let from = 0;
  for (const { 0: tag, 1: closing, index } of text.matchAll(mark)) from = closing === '/' ? index + tag.length : -1;
  return from < 0 ? '' : text.slice(from);
}
