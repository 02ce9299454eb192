import { join } from 'node:path';
import { repositoryRoot } from '#platform/repository.ts';
import { runInPlace } from './run-in-place.ts';

/** Serves a corpus over MCP on our standard streams. */
export async function mcpCommand(flags: readonly string[]): Promise<number> {
  const entry = join(repositoryRoot, 'services/retrieval/mcp/stdio-main.ts');
  return await runInPlace(
    { command: process.execPath, args: ['--disable-warning=ExperimentalWarning', entry], env: {} },
    flags,
  );
}
