/** How rows of `gradus eval` may be written. */
export const evalFormats = ['gradus', 'plain', 'search_r1', 'hotpotqa', '2wiki', 'musique', 'simpleqa'] as const;
export type EvalFormat = (typeof evalFormats)[number];
