import { join, resolve } from 'node:path';

/** Where this checkout lies, and the programs that `make setup` puts there. */
export const repositoryRoot = resolve(import.meta.dirname, '../..');
export const pythonProgram = join(repositoryRoot, '.venv/bin/python');
export const pythonPath = [join(repositoryRoot, 'services/learner'), join(repositoryRoot, 'proto/gen/python')].join(
  ':',
);
