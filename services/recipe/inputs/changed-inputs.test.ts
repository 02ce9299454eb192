import { expect, test } from 'vitest';
import { changedInputs, parseChangeGroups, refusalOf } from './changed-inputs.ts';

const digest = (letter: string) => letter.repeat(64);
const train = { name: 'train', path: '/old/train.jsonl', digest: digest('a'), bytes: 1204 };
const scorer = { name: 'scorers/house/reward.py', path: '/s/reward.py', digest: digest('b'), bytes: 300 };
const template = { name: 'model/chat_template.jinja', path: '/m/chat_template.jinja', digest: digest('c'), bytes: 9 };
const modifiedAtMs = Date.UTC(2026, 10, 30, 21, 50, 0);

test('files that lie elsewhere and are the same have not changed', () => {
  expect(changedInputs([train], [{ ...train, path: '/new/train.jsonl', modifiedAtMs }])).toEqual([]);
});

test('what differs, what is gone and what is new is named, with digests, times, what follows and the word that accepts it', () => {
  const changes = changedInputs(
    [train, scorer],
    [
      { ...train, digest: digest('d'), bytes: 700, modifiedAtMs },
      { ...template, modifiedAtMs },
    ],
  );
  expect(refusalOf('b', changes, [], Date.UTC(2026, 10, 30, 21, 40, 0))).toMatchObject({
    code: 'failed_precondition',
    message: [
      'run b stands on what has changed since it was recorded at 2026-11-30 21:40:00 UTC:',
      '  train: /old/train.jsonl: was aaaaaaaaaaaa (1204 bytes), is dddddddddddd (700 bytes, modified 2026-11-30 21:50:00 UTC)',
      '  scorers/house/reward.py: /s/reward.py: was bbbbbbbbbbbb (300 bytes), is gone',
      '  model/chat_template.jinja: /m/chat_template.jinja: was not there, is cccccccccccc (9 bytes, modified 2026-11-30 21:50:00 UTC)',
      'what follows from other data: steps to come draw their questions from other rows, so their tasks are others than the same run would have had',
      'what follows from other model: the policy that the run begins from, its tokenizer or its template is another one',
      'what follows from other scorers: rollouts to come may be rewarded otherwise than those so far',
      'put it back as it was, or accept it: gradus resume b --accept-changed data,model,scorers',
    ].join('\n'),
  });
  expect(refusalOf('b', changes, ['data', 'model', 'scorers'], 0)).toBeUndefined();
  // The words that were given already stay in what to type.
  expect(refusalOf('b', changes, ['data', 'model'], 0)?.message).toMatch(/--accept-changed data,model,scorers$/);
});

test('a message names twenty files and counts the others', () => {
  const many = Array.from({ length: 25 }, (_, index) => ({ ...scorer, name: `scorers/house/${index}.py` }));
  const message = refusalOf('b', changedInputs(many, []), [], 0)?.message ?? '';
  expect(message.match(/is gone/g)).toHaveLength(20);
  expect(message).toContain('  and 5 more');
});

test('only what is known can be accepted', () => {
  expect(parseChangeGroups(['data', 'recipe'])).toEqual(['data', 'recipe']);
  expect(() => parseChangeGroups(['scorer'])).toThrow('did you mean scorers?');
  expect(() => parseChangeGroups(['everything'])).toThrow(
    'known: data, corpus, search_models, stages, model, environment, scorers, recipe',
  );
});
