import { accessSync, constants } from 'node:fs';
import { join } from 'node:path';
import { TerminalError } from '#platform/errors.ts';
import { suggest } from '#platform/runtime/suggest.ts';
import { pythonPath, pythonProgram, repositoryRoot } from '#platform/repository.ts';

/**
 * For what thousands of rollouts that last for seconds pass through. A young generation of 16 MiB: in a smaller one they outlive two
 * collections, are copied twice and become old garbage, which was a quarter of all CPU. Old space grows by a quarter before it is collected,
 * V8's own half and more costs 250 MiB over a fleet (docs/results/rollouts.md).
 */
const rolloutHeap = ['--heap-growing-percent=25', '--max-semi-space-size=16'];

/** How each service is started alone; flags follow. */
const programs = {
  coordinator: { kind: 'node', entry: 'services/coordinator/main.ts', flags: rolloutHeap },
  rollout: { kind: 'node', entry: 'services/rollout/main.ts', flags: rolloutHeap },
  policy: { kind: 'node', entry: 'services/policy/main.ts', flags: rolloutHeap },
  'endpoint-policy': { kind: 'node', entry: 'services/endpoint-policy/main.ts', flags: rolloutHeap },
  retrieval: { kind: 'node', entry: 'services/retrieval/main.ts', flags: [] },
  artefacts: { kind: 'node', entry: 'services/artefacts/main.ts', flags: [] },
  reward: { kind: 'node', entry: 'services/reward/main.ts', flags: rolloutHeap },
  'scripted-engine': { kind: 'node', entry: 'services/scripted/engine/main.ts', flags: rolloutHeap },
  'scripted-learner': { kind: 'node', entry: 'services/scripted/learner/main.ts', flags: [] },
  'scripted-judge': { kind: 'node', entry: 'services/scripted/judge/main.ts', flags: [] },
  'engine-sidecar': { kind: 'node', entry: 'services/engine-sidecar/main.ts', flags: rolloutHeap },
  engine: { kind: 'python', entry: 'gradus_learner.engine' },
  learner: { kind: 'python', entry: 'gradus_learner.serve' },
} as const;

export type ServiceName = keyof typeof programs;
export const serviceNames = Object.keys(programs).filter((name): name is ServiceName => name in programs);

export interface Program {
  readonly command: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
}

export function parseServiceName(text: string): ServiceName {
  const found = serviceNames.find((name) => name === text);
  if (found !== undefined) return found;
  const suggestion = suggest(text, serviceNames);
  const help = suggestion === undefined ? `services: ${serviceNames.join(', ')}` : `did you mean ${suggestion}?`;
  throw new TerminalError('invalid_argument', `there is no service '${text}'; ${help}`);
}

export function programOf(name: ServiceName): Program {
  const program = programs[name];
  switch (program.kind) {
    case 'node':
      return {
        command: process.execPath,
        args: ['--disable-warning=ExperimentalWarning', ...program.flags, join(repositoryRoot, program.entry)],
        env: {},
      };
    case 'python':
      requirePython();
      return {
        command: pythonProgram,
        args: ['-m', program.entry],
        env: { PYTHONPATH: pythonPath, PYTHONUNBUFFERED: '1' },
      };
  }
}

function requirePython(): void {
  try {
    accessSync(pythonProgram, constants.X_OK);
  } catch (cause) {
    throw new TerminalError('failed_precondition', `${pythonProgram} is missing; run 'make setup'`, { cause });
  }
}

/** Settings of the person who starts the fleet that are meant for every service. */
const passedOn = new Set(['GRADUS_LOG_LEVEL', 'GRADUS_OTLP_ENDPOINT', 'GRADUS_OTLP_RATIO']);

/** Secrets of what downloads models. */
export const hubVariables = ['HF_TOKEN'];

/** What a name says of a value that only those may see who need it. */
const secret = /(KEY|TOKEN|SECRET|PASSWORD|PASSWD|CREDENTIALS?)(_|$)/i;

/**
 * The environment of a child. Other GRADUS_* variables stay behind: services reject keys that they do not know, and one
 * variable cannot be meant for eight processes. So do secrets. `variables` are meant for this child, whatever they are called.
 */
export function childEnvironment(
  parent: NodeJS.ProcessEnv,
  extra: Readonly<Record<string, string>>,
  variables: readonly string[] = [],
): NodeJS.ProcessEnv {
  const kept = Object.entries(parent).filter(
    ([key]) => (!key.startsWith('GRADUS_') && !secret.test(key)) || passedOn.has(key) || variables.includes(key),
  );
  return { ...Object.fromEntries(kept), ...extra };
}
