import { TerminalError } from '#platform/errors.ts';
import type { Terminal } from '../terminal/terminal.ts';
import { connectServer, type ServerAccess } from './connect-server.ts';
import { followAt } from './submit.ts';

export interface ResumeAtOptions extends ServerAccess {
  readonly acceptChanged?: readonly string[] | undefined;
  readonly restoreRecipe?: boolean | undefined;
  /** False: it is refused where it would have to wait for other runs. */
  readonly queue: boolean;
  readonly json: boolean;
}

/** Continues a run of a server, where its files and its recipe are, and follows it there. */
export async function resumeAt(runId: string, options: ResumeAtOptions, terminal: Terminal): Promise<number> {
  const { server: address, acceptChanged = [], queue, json } = options;
  if (options.restoreRecipe === true)
    throw new TerminalError(
      'invalid_argument',
      '--restore-recipe: writes into the folder of the run; give it next to that folder, without --server',
    );
  const server = await connectServer(options);
  try {
    const { queued } = await server.current.submitRun({
      runId,
      resume: true,
      acceptChanged: [...acceptChanged],
      noQueue: !queue,
    });
    terminal.err(`${queued === undefined ? 'resumed' : 'queued'} run ${runId} at ${address}`);
    return await followAt(server, { access: options, runId, json }, terminal);
  } finally {
    server.close();
  }
}
