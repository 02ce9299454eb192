import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

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
  { id = `of-${answer}`, settingsJson = '' }: { readonly id?: string; readonly settingsJson?: string } = {},
) {
  return {
    id,
    question: 'Where?',
    answers: ['Paris', 'City of Light'],
    turns: [
      {
        text: '<tool>{"name": "websearch"}</tool>',
        action: { case: 'toolCall' as const, value: { name: 'websearch', succeeded: true, pageTitles: ['France'] } },
      },
      { text: `<answer>${answer}</answer>`, action: { case: 'answer' as const, value: { text: answer } } },
    ],
    rewards: [{ name, weight: 1, settingsJson }],
    supportTitles: ['Paris (city)'],
    tokens: { prompt: 10, model: 20, environment: 30 },
  };
}
