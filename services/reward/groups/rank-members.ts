import { mapConcurrent } from '#platform/async/map-concurrent.ts';
import { permutation, type Random } from '#platform/random.ts';
import { rankList } from '../judge/questions/rank-list.ts';
import type { GroupAsk } from './ask-judge.ts';
import type { GroupAbsence, GroupTask, ListwiseSettings, Standing } from './group-task.ts';
import { shareByRule, textKey } from './compare-members.ts';

type Pass =
  | {
      readonly kind: 'ranked';
      /** Place by text, 0 the best. */
      readonly places: ReadonlyMap<string, number>;
      /** Texts as they were shown. */
      readonly shown: readonly string[];
      readonly cached: boolean;
    }
  | { readonly kind: 'absent'; readonly reason: GroupAbsence };

/**
 * All members of a tie in one list, ranked `passes` times, each time shuffled anew; added up by Borda: the share of the
 * others that a member was ranked above. Identical texts are shown once and tie; members without an answer are last.
 */
export async function rankMembers(
  members: readonly number[],
  task: GroupTask,
  settings: ListwiseSettings,
  ask: GroupAsk,
  random: Random,
): Promise<Standing> {
  const texts = members.map((member) => task.texts[member]);
  const distinct = [...new Map(texts.flatMap((text) => (text === undefined ? [] : [[textKey(text), text]]))).values()];
  const nothingToAsk = distinct.length < 2;
  const shuffles = Array.from({ length: settings.passes }, () =>
    [...permutation(distinct.length, random)].map((index) => distinct[index] ?? ''),
  );
  const passes = nothingToAsk
    ? []
    : await mapConcurrent(shuffles, settings.passes, async (shown): Promise<Pass> => {
        const result = await ask(
          rankList({
            question: task.question,
            references: task.references,
            criterion: task.criterion,
            answers: shown,
            maxCharacters: task.maxCharacters,
          }),
        );
        if (result.kind === 'absent') return { kind: 'absent', reason: result.reason };
        const places = new Map(result.value.map((index, place) => [textKey(shown[index] ?? ''), place]));
        return { kind: 'ranked', places, shown, cached: result.source !== 'asked' };
      });
  const ranked = passes.flatMap((pass) => (pass.kind === 'ranked' ? [pass] : []));
  const used = nothingToAsk ? [new Map<string, number>()] : ranked.map(({ places }) => places);

  const scores = texts.map((text, own) => {
    let points = 0;
    for (const places of used) points += bordaShare(text, texts.toSpliced(own, 1), places);
    return {
      score: used.length === 0 ? undefined : points / used.length,
      strength: undefined,
      comparisons: used.length,
      points,
    };
  });
  return {
    scores,
    planned: settings.passes,
    judged: ranked.length,
    byRule: nothingToAsk ? settings.passes : 0,
    missing: passes.length - ranked.length,
    judgements: ranked.length,
    cached: ranked.filter(({ cached }) => cached).length,
    absences: passes.flatMap((pass) => (pass.kind === 'absent' ? [pass.reason] : [])),
    comparisons: [],
    ...biasOf(distinct.map(textKey), ranked),
  };
}

function bordaShare(
  own: string | undefined,
  others: readonly (string | undefined)[],
  places: ReadonlyMap<string, number>,
): number {
  let above = 0;
  for (const other of others) {
    const ruled = shareByRule(own, other);
    above += ruled ?? Number(placeOf(own, places) < placeOf(other, places));
  }
  return above / others.length;
}

function placeOf(text: string | undefined, places: ReadonlyMap<string, number>): number {
  const place = text === undefined ? undefined : places.get(textKey(text));
  if (place === undefined) throw new TypeError('a text that was ranked has no place');
  return place;
}

/** Over pairs of texts: was the one shown earlier ranked above, and do the passes agree? */
function biasOf(
  keys: readonly string[],
  passes: readonly { readonly places: ReadonlyMap<string, number>; readonly shown: readonly string[] }[],
): Pick<Standing, 'bias' | 'contradictions'> {
  const shownAt = passes.map(({ shown }) => new Map(shown.map((text, index) => [textKey(text), index])));
  let favoured = 0;
  let decided = 0;
  let found = 0;
  let of = 0;
  keys.forEach((a, index) => {
    for (const b of keys.slice(index + 1)) {
      const above = passes.map(({ places }) => placeOf(a, places) < placeOf(b, places));
      above.forEach((won, pass) => {
        const earlier = placeOf(a, shownAt[pass] ?? new Map()) < placeOf(b, shownAt[pass] ?? new Map());
        favoured += won === earlier ? 1 : -1;
        decided += 1;
      });
      if (above.length > 1) {
        of += 1;
        if (new Set(above).size > 1) found += 1;
      }
    }
  });
  return { bias: { favoured, decided }, contradictions: { found, of } };
}
