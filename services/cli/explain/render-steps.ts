import type { CompositionStep } from '#rewards/compose.ts';
import { describeStep } from '#rewards/describe-step.ts';
import { shortNumber } from '#rewards/short-number.ts';
import type { Colours } from '../terminal/colours.ts';

/** A line for each step of a composition, with the total after it. */
export function renderSteps(steps: readonly CompositionStep[], colours: Colours): string[] {
  return steps.map((step) => {
    const { name, reasons } = describeStep(step);
    // Gates and clips say themselves what the total is then.
    const result = step.kind === 'gate' || step.kind === 'clip' ? '' : ` = ${shortNumber(step.after)}`;
    return `${colours.bold(name)}: ${reasons.join('; ')}${result}`;
  });
}
