import { conclusionOf } from './conclusion.ts';

/** What may decorate a letter: Markdown, quotes, brackets, TeX. Tags such as <grade> are read as "grade:". */
function withoutDecoration(text: string): string {
  return text
    .normalize('NFKC')
    .replaceAll(/<(\w{1,32})>/g, ' $1: ')
    .replaceAll(/<\/\w{1,32}>/g, '\n')
    .replaceAll(/\\(?:boxed|text|textbf|mathbf|mathrm)\b/g, ' ')
    .replaceAll(/[*_`"'$()[\]{}#~“”‘’]/g, ' ')
    .replaceAll(/[^\S\n]+/g, ' ');
}

/** Longer lines are prose. */
const longestStatement = 200;
const link = String.raw` ?(?:(?:is|was|would be|should be|:|=|->|→|-) ?)+`;
// "The reference answer is C" speaks of something else.
const answer = String.raw`(?:^(?:so |thus |therefore |hence )?,? ?(?:the )?|\b(?:final|my|better|best) )(?:answer|choice|option)`;
const grade = String.raw`(?<!\bif (?:the |my )?)\b(?:grade|verdict|rating|winner)`;

/**
 * The one of `labels` (letters or words in capitals, each with what it stands for) that a reply states: it is the whole reply or its last
 * line, or follows "grade", "verdict" or "answer". Any other letter is prose: "A" is an article, and "Vitamin C" no grade. Undefined when
 * there is none, when two differ, or when the word next to the letter is another label's.
 */
export function statedChoice(text: string, labels: Readonly<Record<string, string>>): string | undefined {
  const lines = withoutDecoration(conclusionOf(text))
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '');
  const label = `(${Object.keys(labels).join('|')})`;
  // "Grade: A, B or C" repeats what was asked.
  const single = String.raw`(?!\w)(?! ?(?:,|/|or|and) ?(?:or |and )?${label}(?!\w))`;
  const alone = new RegExp(String.raw`^${label} ?[.!,;:–—-]* ?([a-z ]*?)[.!]*$`, 'i');
  const afterAnswer = new RegExp(String.raw`${answer}(?:${link}| )${label} ?[.!,;:–—-]* ?([a-z ]*?)[.!]*$`, 'i');
  const afterGrade = new RegExp(
    String.raw`${grade}${link}${label}${single}(?= ?(?:$|[.,;:!–—-]|because\b|since\b))`,
    'gi',
  );
  const short = lines.filter((line) => line.length <= longestStatement);
  const said = [
    alone.exec(lines.at(-1)?.slice(0, longestStatement) ?? ''),
    ...short.map((line) => afterAnswer.exec(line)),
  ]
    .flatMap((match) => (match === null ? [] : [[match[1] ?? '', match[2] ?? ''] as const]))
    .filter(([found, meaning]) => meaning === '' || meaning.trim().toLowerCase() === labels[found])
    .map(([found]) => found);
  const graded = lines.flatMap((line) => [...line.matchAll(afterGrade)].map(([, found = '']) => found));
  const stated = new Set([...said, ...graded]);
  const [one] = stated;
  return stated.size === 1 && one !== undefined && Object.hasOwn(labels, one) ? one : undefined;
}
