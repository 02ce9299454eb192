import type { CompositionStep } from './compose.ts';

/** A step of the composition in words: its name, and one fact a line. */
export function describeStep(step: CompositionStep): { readonly name: string; readonly reasons: string[] } {
  switch (step.kind) {
    case 'sum':
      return { name: 'sum', reasons: sumReasons(step) };
    case 'normalize':
      return {
        name: 'normalize',
        reasons: [`${shortNumber(step.before)} / ${shortNumber(step.weights)}, the sum of the weights`],
      };
    case 'penalty':
      return {
        name: `penalty ${step.name}`,
        reasons: [`${shortNumber(step.before)} - ${shortNumber(step.size)} x ${shortNumber(step.value)}`],
      };
    case 'gate':
      return { name: `gate ${step.name}`, reasons: [gateReason(step)] };
    case 'clip':
      return { name: 'clip', reasons: [clipReason(step)] };
    case 'overlong':
      return { name: 'overlong', reasons: [overlongReason(step)] };
  }
}

function sumReasons({ terms }: Extract<CompositionStep, { kind: 'sum' }>): string[] {
  if (terms.length === 0) return ['nothing has a weight'];
  return [terms.map(({ name, weight, value }) => `${shortNumber(weight)} x ${name} ${shortNumber(value)}`).join(' + ')];
}

function gateReason(step: Extract<CompositionStep, { kind: 'gate' }>): string {
  const { name, value, atLeast, atMost, outcome, before, after } = step;
  const bounds = [
    ...(atLeast === undefined ? [] : [`at least ${shortNumber(atLeast)}`]),
    ...(atMost === undefined ? [] : [`at most ${shortNumber(atMost)}`]),
  ].join(' and ');
  switch (outcome) {
    case 'holds':
      return `${name} is ${shortNumber(value)}, ${bounds}: it holds`;
    case 'does not hold':
      return `${name} is ${shortNumber(value)}, not ${bounds}: ${shortNumber(after)} in place of ${shortNumber(before)}`;
    case 'absent':
      return `${name} is absent, so nobody can know whether it is ${bounds}: no reward`;
  }
}

function clipReason({ low, high, before, after }: Extract<CompositionStep, { kind: 'clip' }>): string {
  const text = (bound: number | undefined): string => (bound === undefined ? '' : shortNumber(bound));
  const bounds = `${text(low)} .. ${text(high)}`.trim();
  return before === after
    ? `${shortNumber(before)} stays, bounds ${bounds}`
    : `${shortNumber(before)} becomes ${shortNumber(after)}, bounds ${bounds}`;
}

function overlongReason(step: Extract<CompositionStep, { kind: 'overlong' }>): string {
  const { modelTokens, maxTokens, bufferTokens, penalty, before } = step;
  return `${modelTokens} tokens of the policy's own; free up to ${maxTokens - bufferTokens}, full at ${maxTokens}: ${shortNumber(before)} + ${shortNumber(penalty)}`;
}

/** A number for people: six significant digits, `absent` where there is none. */
export function shortNumber(value: number | undefined): string {
  return value === undefined ? 'absent' : `${Number(value.toPrecision(6)) + 0}`;
}
