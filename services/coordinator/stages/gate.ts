export type GateAction = 'continue' | 'stop' | 'repeat' | 'roll_back';

export interface Gate {
  readonly metric: string;
  readonly atLeast?: number | undefined;
  readonly gainAtLeast?: number | undefined;
  readonly onFail: GateAction;
  readonly maxRepeats: number;
}

export interface GateDecision {
  readonly passed: boolean;
  readonly action: GateAction;
  /** The condition and the value it saw. */
  readonly reason: string;
}

type Metrics = Readonly<Record<string, number>>;

/** `repeats` is how often the stage was repeated already. A metric that was not measured fails the gate. */
export function decideGate(gate: Gate, before: Metrics, after: Metrics, repeats: number): GateDecision {
  const value = after[gate.metric];
  if (value === undefined) return failed(gate, `${gate.metric} was not measured`, repeats);
  const checks: boolean[] = [];
  const reasons: string[] = [];
  if (gate.atLeast !== undefined) {
    checks.push(value >= gate.atLeast);
    reasons.push(`${gate.metric} ${format(value)}, at least ${format(gate.atLeast)}`);
  }
  if (gate.gainAtLeast !== undefined) {
    const start = before[gate.metric];
    if (start === undefined) return failed(gate, `${gate.metric} was not measured before the stage`, repeats);
    checks.push(value - start >= gate.gainAtLeast);
    reasons.push(`${gate.metric} ${format(start)} -> ${format(value)}, gain at least ${format(gate.gainAtLeast)}`);
  }
  const reason = reasons.join('; ');
  return checks.every(Boolean) ? { passed: true, action: 'continue', reason } : failed(gate, reason, repeats);
}

function failed(gate: Gate, reason: string, repeats: number): GateDecision {
  if (gate.onFail === 'repeat' && repeats >= gate.maxRepeats) {
    return { passed: false, action: 'stop', reason: `${reason}; repeated ${repeats} times` };
  }
  return { passed: false, action: gate.onFail, reason };
}

function format(value: number): string {
  return value.toFixed(4).replace(/\.?0+$/, '');
}
