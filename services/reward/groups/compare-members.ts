import { mapConcurrent } from '#platform/async/map-concurrent.ts';
import type { Random } from '#platform/random.ts';
import { comparePair } from '../judge/questions/compare-pair.ts';
import type { GroupAsk } from './ask-judge.ts';
import { expectedWinRates, fitStrengths } from './bradley-terry.ts';
import type { Comparison, GroupTask, MemberScore, PairwiseSettings, Standing } from './group-task.ts';
import { createPairSchedule, type Pair, type PairOutcome } from './pair-schedule.ts';

interface JudgedPair extends PairOutcome {
  readonly how: 'judged' | 'rule' | 'missing';
  readonly comparisons: readonly Comparison[];
}

/** As many questions wait at once; the group's own slots bound the calls. */
const questionsAtOnce = 256;

/**
 * Members of a tie (indices into the group) against each other, pair by pair. A pair that is to be judged in both orders
 * and got one only is missing: half of it would bring the position bias back in.
 */
export async function compareMembers(
  members: readonly number[],
  task: GroupTask,
  settings: PairwiseSettings,
  ask: GroupAsk,
  random: Random,
): Promise<Standing> {
  const schedule = createPairSchedule(settings.schedule, members.length, random);
  const textOf = (local: number): string | undefined => task.texts[members[local] ?? -1];
  const pairs: JudgedPair[] = [];
  for (let round = schedule(pairs); round.length > 0; round = schedule(pairs)) {
    // Drawn before anything is awaited, so that the same seed gives the same order.
    const orders = round.map((pair) => ordersOf(pair, settings, random));
    pairs.push(...(await mapConcurrent(round, questionsAtOnce, (pair, index) => judgePair(pair, orders[index] ?? []))));
  }
  return standingOf(pairs, members.length, settings);

  async function judgePair(pair: Pair, orders: readonly Pair[]): Promise<JudgedPair> {
    const ruled = shareByRule(textOf(pair[0]), textOf(pair[1]));
    if (ruled !== undefined) return { pair, share: ruled, how: 'rule', comparisons: [] };
    const comparisons = await Promise.all(orders.map(judgeOrder));
    let share = 0;
    for (const { first, outcome } of comparisons) {
      if (outcome.kind === 'absent') return { pair, share: undefined, how: 'missing', comparisons };
      const firstShare = { first: 1, tie: 0.5, second: 0 }[outcome.verdict];
      share += (first === members[pair[0]] ? firstShare : 1 - firstShare) / comparisons.length;
    }
    return { pair, share, how: 'judged', comparisons };
  }

  async function judgeOrder([first, second]: Pair): Promise<Comparison> {
    const result = await ask(
      comparePair({
        question: task.question,
        references: task.references,
        criterion: task.criterion,
        first: textOf(first) ?? '',
        second: textOf(second) ?? '',
        allowTies: settings.allowTies,
        maxCharacters: task.maxCharacters,
      }),
    );
    const shown = { first: members[first] ?? -1, second: members[second] ?? -1 };
    if (result.kind === 'absent') return { ...shown, outcome: { kind: 'absent', reason: result.reason } };
    const { value: verdict, replyId, source } = result;
    return { ...shown, outcome: { kind: 'verdict', verdict, replyId, cached: source !== 'asked' } };
  }
}

function ordersOf([a, b]: Pair, { bothOrders }: PairwiseSettings, random: Random): readonly Pair[] {
  if (bothOrders) {
    return [
      [a, b],
      [b, a],
    ];
  }
  return [random(2) === 0 ? [a, b] : [b, a]];
}

function standingOf(pairs: readonly JudgedPair[], count: number, settings: PairwiseSettings): Standing {
  const comparisons = pairs.flatMap((pair) => pair.comparisons);
  const verdicts = comparisons.flatMap(({ outcome }) => (outcome.kind === 'verdict' ? [outcome] : []));
  const shownFirst = verdicts.filter(({ verdict }) => verdict === 'first').length;
  const shownSecond = verdicts.filter(({ verdict }) => verdict === 'second').length;
  const inBoth = pairs.filter(({ how, comparisons: orders }) => how === 'judged' && orders.length === 2);
  return {
    scores: scoresOf(pairs, count, settings),
    planned: pairs.length,
    judged: pairs.filter(({ how }) => how === 'judged').length,
    byRule: pairs.filter(({ how }) => how === 'rule').length,
    missing: pairs.filter(({ how }) => how === 'missing').length,
    judgements: verdicts.length,
    cached: verdicts.filter(({ cached }) => cached).length,
    absences: comparisons.flatMap(({ outcome }) => (outcome.kind === 'absent' ? [outcome.reason] : [])),
    comparisons,
    bias: { favoured: shownFirst - shownSecond, decided: shownFirst + shownSecond },
    contradictions: { found: inBoth.filter(contradicts).length, of: inBoth.length },
  };
}

/** The same place won in both orders. A tie next to a win is not a contradiction. */
function contradicts({ comparisons }: JudgedPair): boolean {
  const [one, other] = comparisons.map(({ outcome }) => (outcome.kind === 'verdict' ? outcome.verdict : undefined));
  return one === other && (one === 'first' || one === 'second');
}

function scoresOf(pairs: readonly PairOutcome[], count: number, settings: PairwiseSettings): MemberScore[] {
  const played = new Float64Array(count);
  const points = new Float64Array(count);
  for (const { pair, share } of pairs) {
    if (share === undefined) continue;
    for (const [member, gained] of [
      [pair[0], share],
      [pair[1], 1 - share],
    ] as const) {
      played[member] = (played[member] ?? 0) + 1;
      points[member] = (points[member] ?? 0) + gained;
    }
  }
  // A member that met nobody says nothing about the others either.
  const present = Array.from(played.keys()).filter((member) => (played[member] ?? 0) > 0);
  const strengths = settings.aggregation === 'bradley_terry' ? fitStrengths(count, pairs) : undefined;
  const expected =
    strengths === undefined
      ? undefined
      : expectedWinRates(Float64Array.from(present, (member) => strengths[member] ?? 0));
  return Array.from(played, (comparisons, member) => {
    const gained = points[member] ?? 0;
    const place = present.indexOf(member);
    const rate = expected === undefined ? gained / comparisons : expected[place];
    return {
      score: comparisons === 0 ? undefined : rate,
      strength: comparisons === 0 ? undefined : strengths?.[member],
      comparisons,
      points: gained,
    };
  });
}

/** What is shown to nobody twice: texts that differ in white space only are the same. */
export function textKey(text: string): string {
  return text.trim().replace(/\s+/gu, ' ');
}

/** How `a` fares against `b` without a judge: identical texts tie, no answer loses; undefined when a judge has to say. */
export function shareByRule(a: string | undefined, b: string | undefined): number | undefined {
  if (a === undefined || b === undefined) return a === b ? 0.5 : Number(a !== undefined);
  return textKey(a) === textKey(b) ? 0.5 : undefined;
}
