import { permutation } from '#platform/random.ts';
import type { Random } from '#platform/random.ts';

/** What faults are aimed at: a service of fleet.json (`rollout-1`), or one of the processes around it. */
export interface Target {
  readonly label: string;
  readonly service: string;
}

export const actions = [
  /** SIGKILL. */
  'kill',
  /** SIGSTOP, and SIGCONT after a while. */
  'freeze',
  /** SIGSTOP until somebody ends it. */
  'hang',
  /** SIGKILL, and once more while its replacement starts. */
  'kill-in-restart',
  /** SIGKILL, and its port is somebody else's for a while. */
  'port-taken',
  /** NATS comes back with an older state of a consumer than that of its stream. */
  'stale-state',
  /** NATS has no room on its disk for a while. */
  'full-disk',
  /** SIGTERM to `gradus run`, then a resume. */
  'stop',
  /** SIGKILL while a resume starts the fleet. */
  'kill-in-start',
  /** SIGKILL between the SIGTERM and the end of the fleet, then a resume. */
  'kill-in-stop',
] as const;
export type Action = (typeof actions)[number];

export interface Card {
  readonly action: Action;
  readonly targets: readonly Target[];
}

export interface CardOptions {
  /** Services and the scorer's process. */
  readonly targets: readonly Target[];
  /** Actions that are left out: a machine cannot make them, or nobody wants them. */
  readonly without: ReadonlySet<Action>;
  /** Aim at this service, or process, only. */
  readonly only: string | undefined;
}

export const supervisor: Target = { label: 'supervisor', service: 'supervisor' };
export const guardian: Target = { label: 'guardian', service: 'guardian' };
const nats: Target = { label: 'nats', service: 'nats' };

/** One kill in so many hits two services at once. */
const pairEvery = 6;

/** Faults after which a person has to resume the run. */
export function needsResume({ action, targets }: Card): boolean {
  if (action === 'kill') return targets.some(({ label }) => label === supervisor.label);
  return action === 'stop' || action === 'kill-in-start' || action === 'kill-in-stop';
}

/** Faults that neither begin while others go on, nor let others begin. */
export function isAlone(card: Card): boolean {
  return needsResume(card) || card.action === 'stale-state' || card.action === 'full-disk';
}

/**
 * Dealt like cards, round after round: two kills and one freeze of every process come before any process is hit so once
 * more, and the rarer faults, each once or a few times a round, lie evenly between them. So no seed leaves one out.
 */
export function* dealCards(options: CardOptions, random: Random): Generator<Card> {
  const fits = ({ action, targets }: Card): boolean =>
    !options.without.has(action) &&
    (options.only === undefined ||
      targets.every(({ label, service }) => label === options.only || service === options.only));
  for (;;) {
    const common = commonCards(options.targets, random).filter(fits);
    const rare = shuffled(rareCards(options.targets, random).filter(fits), random);
    const length = common.length + rare.length;
    if (length === 0) return;
    for (let index = 0, taken = 0; index < length; index += 1) {
      const isRare = Math.floor(((index + 1) * rare.length) / length) > taken;
      const card = isRare ? rare[taken] : common[index - taken];
      if (isRare) taken += 1;
      if (card !== undefined) yield card;
    }
  }
}

function commonCards(targets: readonly Target[], random: Random): Card[] {
  const killedFirst = new Set(targets.filter(() => random(2) === 0));
  return [0, 1, 2].flatMap((round) =>
    shuffled(targets, random).map((target): Card => {
      const isKill = round === 2 || killedFirst.has(target) === (round === 0);
      if (!isKill) return { action: 'freeze', targets: [target] };
      const others = targets.filter(({ service }) => service !== target.service);
      const other = random(pairEvery) === 0 ? others[random(Math.max(1, others.length))] : undefined;
      return { action: 'kill', targets: other === undefined ? [target] : [target, other] };
    }),
  );
}

function rareCards(targets: readonly Target[], random: Random): Card[] {
  const some = (count: number, action: Action): Card[] =>
    shuffled(
      targets.filter(({ service }) => service !== 'scorer'),
      random,
    )
      .slice(0, count)
      .map((target) => ({ action, targets: [target] }));
  const anyOf = (...labels: string[]): Target[] => {
    const found = targets.filter(({ service }) => labels.includes(service));
    return found.slice(0, 1);
  };
  return [
    ...some(4, 'hang'),
    ...some(3, 'kill-in-restart'),
    ...some(2, 'port-taken'),
    { action: 'stale-state', targets: [{ label: 'workers_eval', service: 'nats' }] },
    { action: 'stale-state', targets: [{ label: 'workers_train', service: 'nats' }] },
    { action: 'full-disk', targets: [nats] },
    { action: 'freeze', targets: [supervisor] },
    { action: 'freeze', targets: [guardian] },
    { action: 'kill', targets: [guardian] },
    { action: 'kill', targets: [supervisor] },
    { action: 'kill', targets: [supervisor, random(2) === 0 ? nats : guardian] },
    { action: 'stop', targets: [supervisor] },
    { action: 'kill-in-stop', targets: random(3) === 0 ? [supervisor] : anyOf('coordinator') },
    {
      action: 'kill-in-start',
      targets: random(2) === 0 ? [supervisor] : some(1, 'kill').flatMap((card) => card.targets),
    },
  ];
}

function shuffled<T>(values: readonly T[], random: Random): T[] {
  return [...permutation(values.length, random)].flatMap((index) => values[index] ?? []);
}

/** Every service of a fleet, and the process of the custom scorer that its reward service starts. */
export function targetsOf(services: readonly Target[]): readonly Target[] {
  return [...services.map(({ label, service }) => ({ label, service })), { label: 'scorer', service: 'scorer' }];
}
