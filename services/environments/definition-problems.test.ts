import { expect, test } from 'vitest';
import { definitionProblems } from './definition-problems.ts';
import { environments } from './index.ts';

const declared = { primaryMetric: 'exact_match', scorers: ['exact_match'], rewards: [], roles: [], tags: ['hops'] };

test.each(environments.map((definition) => [definition.name, definition] as const))(
  'what %s declares is there',
  (_, definition) => {
    expect(definitionProblems(definition)).toEqual([]);
  },
);

test.each([
  [
    { scorers: ['exact_mach'], primaryMetric: 'reward' },
    "scorers: 'exact_mach' is not a built-in scorer; did you mean exact_match?",
  ],
  [{ primaryMetric: 'f1' }, "primaryMetric: 'f1' is nothing that its rollouts have; there are: exact_match, reward"],
  [{ rewards: ['format'] }, "rewards: 'format' is the name of a built-in scorer; give it another one"],
  [{ tags: ['Hops'] }, "tags: 'Hops' must be lower case, digits and _, at most 64, as tags of rows are"],
  [{ tags: 'abcdefghi'.split('') }, 'tags: 9 of them; at most 8: every value of each has metrics of its own'],
  [{ roles: ['solver'] }, 'roles: 1 of them; an environment has 2 to 8, or none'],
  [{ roles: ['solver', 'Tester'] }, "roles: 'Tester' must be lower case, digits and _, at most 32"],
  [{ roles: ['solver', 'solver'] }, "roles: 'solver' is there twice"],
])('%j is refused with what to do', (wrong, problem) => {
  expect(definitionProblems({ ...declared, ...wrong })).toEqual([problem]);
});

test('all problems are reported at once', () => {
  expect(definitionProblems({ primaryMetric: 'x', scorers: ['y'], rewards: [], roles: [], tags: ['Z'] })).toHaveLength(
    3,
  );
});
