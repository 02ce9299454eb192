import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { goldRow } from '../../../tests/fixtures/gold-item.ts';

/** A folder for scorers, outside of this repository. */
export function scorerFolder() {
  const folder = mkdtempSync(join(tmpdir(), 'gradus-scorers-'));
  return {
    /** Its path. */
    write(name: string, text: string): string {
      const path = join(folder, name);
      writeFileSync(path, text);
      return path;
    },
    [Symbol.dispose]: () => rmSync(folder, { recursive: true, force: true }),
  };
}

/** A rollout with this answer, weighed by one scorer. */
export function itemFor(
  name: string,
  answer: string,
  {
    id = `of-${answer}`,
    settingsJson = '',
    answers = ['Paris', 'City of Light'],
  }: { readonly id?: string; readonly settingsJson?: string; readonly answers?: readonly string[] } = {},
) {
  return {
    id,
    row: goldRow({ question: 'Where?', answers, supportTitles: ['Paris (city)'], hops: 2 }),
    turns: [
      {
        text: '<tool>{"name": "websearch"}</tool>',
        action: {
          case: 'toolCall' as const,
          value: {
            name: 'websearch',
            succeeded: true,
            argumentsJson: '{"query":"Where?"}',
            result: 'France: a country',
            factsJson: '{"page_titles":["France"]}',
          },
        },
      },
      { text: `<answer>${answer}</answer>`, action: { case: 'answer' as const, value: { text: answer } } },
    ],
    scorers: [
      { name: 'exact_match', recordedOnly: true },
      { name, settingsJson },
    ],
    tokens: { prompt: 10, model: 20, environment: 30 },
  };
}
