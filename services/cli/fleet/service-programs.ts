import { accessSync, constants } from 'node:fs';
import { join } from 'node:path';
import { TerminalError } from '#shared/errors.ts';
import { suggestKey } from '#shared/recipe/suggest-key.ts';
import { pythonPath, pythonProgram, repositoryRoot } from '../repository.ts';

/** How each service is started alone; flags follow. */
const programs = {
  coordinator: { kind: 'node', entry: 'services/coordinator/main.ts' },
  rollout: { kind: 'node', entry: 'services/rollout/main.ts' },
  policy: { kind: 'node', entry: 'services/policy/main.ts' },
  retrieval: { kind: 'node', entry: 'services/retrieval/main.ts' },
  reward: { kind: 'node', entry: 'services/reward/main.ts' },
  engine: { kind: 'python', entry: 'gradus_learner.engine' },
  learner: { kind: 'python', entry: 'gradus_learner.learner_service' },
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
  const suggestion = suggestKey(text, serviceNames);
  const help = suggestion === undefined ? `services: ${serviceNames.join(', ')}` : `did you mean ${suggestion}?`;
  throw new TerminalError('invalid_argument', `there is no service '${text}'; ${help}`);
}

export function programOf(name: ServiceName): Program {
  const program = programs[name];
  switch (program.kind) {
    case 'node':
      return {
        command: process.execPath,
        args: ['--disable-warning=ExperimentalWarning', join(repositoryRoot, program.entry)],
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
const passedOn = new Set(['GRADUS_LOG_LEVEL', 'GRADUS_OTLP_ENDPOINT']);

/**
 * The environment of a child. Other GRADUS_* variables stay behind: services reject keys that they do not know, and one
 * variable cannot be meant for eight processes.
 */
export function childEnvironment(
  parent: NodeJS.ProcessEnv,
  extra: Readonly<Record<string, string>>,
): NodeJS.ProcessEnv {
  const kept = Object.entries(parent).filter(([key]) => !key.startsWith('GRADUS_') || passedOn.has(key));
  return { ...Object.fromEntries(kept), ...extra };
}
