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

const fenced = /<<<(\S+) ([0-9a-f]{12})\n([\s\S]*?)\n\2>>>/g;

/** The marked texts of a prompt, in order. */
export function shownTexts(messages: readonly JudgeMessage[]): readonly ShownText[] {
  return [...promptOf(messages).matchAll(fenced)].map(([, name = '', , text = '']) => ({ name, text }));
}

/**
 * Reads a question of the reward service by the names of its marked texts and the words around them; what stands between
 * the marks was written by a policy and decides nothing. Undefined when it is none.
 */
export function readQuestion(messages: readonly JudgeMessage[]): JudgeQuestion | undefined {
  const shown = shownTexts(messages);
  const named = (wanted: string): string[] => shown.flatMap(({ name, text }) => (name === wanted ? [text] : []));
  const around = promptOf(messages).replaceAll(fenced, '');
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
