import type { SupervisionEvents } from './supervise-service.ts';

export interface RestartCount {
  /** The same events, counted on their way. */
  readonly events: SupervisionEvents;
  /** Who ended or hung how often, for the closing lines of a run; undefined when nobody did. */
  describe(): string | undefined;
}

/** Counts the services that died or hung, so that a run's end says what scrolled off the screen (P9). */
export function countRestarts(events: SupervisionEvents): RestartCount {
  const died = new Map<string, number>();
  const hung = new Map<string, number>();
  const count = (counts: Map<string, number>, label: string): void =>
    void counts.set(label, (counts.get(label) ?? 0) + 1);
  const list = (counts: ReadonlyMap<string, number>): string =>
    [...counts].map(([label, times]) => (times === 1 ? label : `${label} ${times} times`)).join(', ');
  return {
    events: {
      ...events,
      died: (label, ...rest) => (count(died, label), events.died(label, ...rest)),
      hung: (label, ...rest) => (count(hung, label), events.hung(label, ...rest)),
    },
    describe() {
      const parts = [
        ...(died.size > 0 ? [`${list(died)} died`] : []),
        ...(hung.size > 0 ? [`${list(hung)} hung and ${hung.size === 1 ? 'was' : 'were'} killed`] : []),
      ];
      return parts.length === 0 ? undefined : `services were started again: ${parts.join('; ')}; their logs say why`;
    },
  };
}
