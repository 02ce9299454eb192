/** What the judge is asked, as far as a rule needs it. */
export type JudgeQuestion = {
  /** What all answers are to. */
  readonly question: string;
  readonly references: readonly string[];
} & (
  | { readonly asks: 'grade'; readonly answer: string }
  | { readonly asks: 'ratings'; readonly answer: string; readonly criteria: readonly string[] }
  | { readonly asks: 'comparison'; readonly first: string; readonly second: string; readonly allowTies: boolean }
  | { readonly asks: 'ranking'; readonly answers: readonly string[] }
);

export interface JudgeMessage {
  readonly role: string;
  readonly content: string;
}

export interface ShownText {
  readonly name: string;
  readonly text: string;
}

/** The marked texts of a prompt, in order. */
export function shownTexts(messages: readonly JudgeMessage[]): readonly ShownText[] {
  return partsOf(promptOf(messages)).shown;
}

/** Texts that are begun and not ended before the rest is left alone: each is looked for to the end of the prompt. */
const mostOpen = 64;

/** `<<<NAME MARK`, a line end, the text, a line end, `MARK>>>`; and what stands around such texts. */
function partsOf(prompt: string): { readonly shown: readonly ShownText[]; readonly around: string } {
  const opening = /<<<(\S{1,64}) ([0-9a-f]{12})\n/g;
  const shown: ShownText[] = [];
  let around = '';
  let from = 0;
  let open = 0;
  for (let begun = opening.exec(prompt); begun !== null && open < mostOpen; begun = opening.exec(prompt)) {
    const [, name = '', mark = ''] = begun;
    const ending = `\n${mark}>>>`;
    const start = opening.lastIndex;
    const end = prompt.indexOf(ending, start);
    if (end < 0) {
      open += 1;
      continue;
    }
    shown.push({ name, text: prompt.slice(start, end) });
    around += prompt.slice(from, begun.index);
    from = end + ending.length;
    opening.lastIndex = from;
  }
  return { shown, around: around + prompt.slice(from) };
}

/**
 * Reads a question of the reward service by the names of its marked texts and the words around them; what stands between
 * the marks was written by a policy and decides nothing. Undefined when it is none.
 */
export function readQuestion(messages: readonly JudgeMessage[]): JudgeQuestion | undefined {
  const { shown, around } = partsOf(promptOf(messages));
  const named = (wanted: string): string[] => shown.flatMap(({ name, text }) => (name === wanted ? [text] : []));
  const [question, ...more] = named('QUESTION');
  if (question === undefined || more.length > 0) return undefined;
  const common = { question, references: named('REFERENCE') };
  const rest = shown.filter(({ name }) => name !== 'QUESTION' && name !== 'REFERENCE');
  const texts = rest.map(({ text }) => text);
  const [first, second] = texts;
  if (first === undefined) return undefined;
  switch (rest.map(({ name }) => name).join(' ')) {
    case 'ANSWER': {
      const criteria = [...around.matchAll(/^- (\w+):/gm)].map(([, name = '']) => name);
      return criteria.length === 0
        ? { ...common, asks: 'grade', answer: first }
        : { ...common, asks: 'ratings', answer: first, criteria };
    }
    case 'A B':
      return { ...common, asks: 'comparison', first, second: second ?? '', allowTies: around.includes('"TIE"') };
    case texts.map((_, index) => index + 1).join(' '):
      return { ...common, asks: 'ranking', answers: texts };
  }
  return undefined;
}

/** The first that a user says; later ones ask for another form of the reply. */
function promptOf(messages: readonly JudgeMessage[]): string {
  return messages.find(({ role }) => role === 'user')?.content ?? '';
}
