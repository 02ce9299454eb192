import { execFile } from 'node:child_process';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { repositoryRoot } from '#platform/repository.ts';

export interface Outcome {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/** The program as people start it. */
export function gradus(...args: readonly string[]): Promise<Outcome> {
  return new Promise((resolve) => {
    const child = execFile(
      join(repositoryRoot, 'services/cli/bin/gradus'),
      args,
      { cwd: repositoryRoot },
      (_error, out, err) => {
        resolve({ code: child.exitCode ?? -1, out, err });
      },
    );
  });
}

export const temporary = (): Promise<string> => mkdtemp(join(tmpdir(), 'gradus-cli-'));
