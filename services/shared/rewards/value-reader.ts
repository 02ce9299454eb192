import { isDetector } from './detector-names.ts';

/** By name, as scores and results carry them. */
export interface RecordedValues {
  readonly components: Readonly<Record<string, number>>;
  /** Those that fired. */
  readonly detectors: Readonly<Record<string, number>>;
}

/** Values for `composeTotal`: a detector that did not fire is 0, a component that is not there is absent. */
export function valueReader({ components, detectors }: RecordedValues): (name: string) => number | undefined {
  return (name) => own(components, name) ?? own(detectors, name) ?? (isDetector(name) ? 0 : undefined);
}

/** A scorer may be named as what every object has, `constructor`. */
function own(values: Readonly<Record<string, number>>, name: string): number | undefined {
  return Object.hasOwn(values, name) ? values[name] : undefined;
}
