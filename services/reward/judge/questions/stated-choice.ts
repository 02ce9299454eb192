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
const link = String.raw` ?(?:(?:is|was|should be|:|=|->|→|[–—-]) ?)+`;
const asked = String.raw`(?:answer|choice|option)`;
const graded = String.raw`(?:grade|verdict|rating|winner)`;
// "The reference answer is C" speaks of something else.
const opening = String.raw`^(?:so |thus |therefore |hence )?,? ?(?:the |my )*(?:(?:final|overall|better|best) )?`;
// "The verdict would be A" is one where nothing follows.
const statement = String.raw`${opening}(?:${asked}|${graded})(?:${link}| would be ?:? ?| )`;
const answer = String.raw`\b(?:final|my|better|best) ${asked}(?:${link}| )`;
const grade = String.raw`(?<!\bif (?:the |my )?)\b${graded}${link}`;
const pause = String.raw` ?[.!,;:–—-]* ?`;

/**
 * The one of `labels` (letters or words in capitals, each with what it stands for) that a reply states: it is the whole reply or its last
 * line, or follows "grade", "verdict" or "answer". Any other letter is prose: "A" is an article, and "Vitamin C" no grade. Undefined when
 * there is none, when two differ, when the word next to the letter is another label's, or when the reply ends with what all labels mean.
 */
export function statedChoice(text: string, labels: Readonly<Record<string, string>>): string | undefined {
  const lines = withoutDecoration(conclusionOf(text))
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '');
  const label = `(${Object.keys(labels).join('|')})`;
  const meaning = `(${Object.values(labels).join('|')})`;
  // "Grade: A, B or C" repeats what was asked, and "A, if it were Paris" grades something else.
  const single = String.raw`(?!\w)(?! ?(?:,|/|or|and) ?(?:or |and )?${label}(?!\w))(?!,? ?(?:if|had|were|unless)\b)`;
  const toTheEnd = String.raw`${label}(?!\w)${pause}([a-z ]*?)[.!]*$`;
  const alone = new RegExp(`^${toTheEnd}`, 'i');
  const wholes = [statement, answer].map((before) => new RegExp(before + toTheEnd, 'i'));
  const within = new RegExp(
    String.raw`${grade}${label}${single}(?:${pause}${meaning}\b)?(?= ?(?:$|[.,;:!–—-]|because\b|since\b))`,
    'gi',
  );
  const short = lines.filter((line) => line.length <= longestStatement);
  const [before, last] = [lines.at(-2), lines.at(-1)].map((line) => alone.exec(line?.slice(0, longestStatement) ?? ''));
  const isLegend = Boolean(before?.[2] && last?.[2]) && before?.[1] !== last?.[1];
  const said = [
    isLegend ? null : last,
    ...wholes.flatMap((whole) => short.map((line) => whole.exec(line))),
    ...lines.flatMap((line) => [...line.matchAll(within)].map(([all, found, , word]) => [all, found, word])),
  ].flatMap((match) => (match ? [[match[1] ?? '', match[2]?.trim().toLowerCase() ?? ''] as const] : []));
  const stated = new Set(said.filter(([found, word]) => word === '' || word === labels[found]).map(([found]) => found));
  const [one] = stated;
  return stated.size === 1 && one !== undefined && Object.hasOwn(labels, one) ? one : undefined;
}
