/** The last answer of a transcript; a text without the tag is the answer itself. */
export function answerIn(text: string): string {
  return [...text.matchAll(/<answer>([\s\S]*?)<\/answer>/g)].at(-1)?.[1] ?? text;
}
