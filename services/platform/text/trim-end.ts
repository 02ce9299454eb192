/** `text` without the `character`s at its end. In one pass: `/x+$/` begins anew at every x of a run, which is quadratic. */
export function trimEnd(text: string, character: string): string {
  let end = text.length;
  while (end > 0 && text[end - 1] === character) end -= 1;
  return text.slice(0, end);
}
