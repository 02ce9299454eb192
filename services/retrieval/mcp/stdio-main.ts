/**
 * MCP over stdio: a client starts this program and talks to it through its pipes. Standard output carries the protocol
 * and nothing else, logs go to standard error. Ends when the client closes its end, or on SIGTERM or SIGINT.
 *
 * Exit codes: 0 the client left, 1 failed, 2 bad config.
 */
import { TerminalError, errorFrom } from '#platform/errors.ts';
import { loadConfig } from '#platform/runtime/config.ts';
import { describeConfig, maskConfig } from '#platform/runtime/config-text.ts';
import { createLifecycle } from '#platform/runtime/lifecycle.ts';
import { createLogger } from '#platform/telemetry/logging.ts';
import { visibleText } from '#platform/text/visible-text.ts';
import { retrievalConfig, type RetrievalConfig } from '../config.ts';

/** Settings of servers that are not served here. */
const elsewhere = ['--grpc', '--http', '--metrics'];

const argv = process.argv.slice(2);
if (argv.includes('--help')) process.stdout.write(describeConfig('gradus mcp', retrievalConfig, elsewhere));
else await main();

async function main(): Promise<void> {
  let config: RetrievalConfig;
  try {
    const misplaced = argv.find((flag) => elsewhere.includes(flag.split('=', 1)[0] ?? ''));
    if (misplaced !== undefined) {
      throw new TerminalError('invalid_argument', `${misplaced}: nothing is bound here; use 'gradus serve retrieval'`);
    }
    config = loadConfig(retrievalConfig, { env: process.env, argv });
  } catch (error) {
    process.stderr.write(`mcp: ${visibleText(errorFrom(error).message)}\n`);
    process.exitCode = 2;
    return;
  }
  const log = createLogger({ service: 'retrieval-mcp', level: config.logLevel });
  const lifecycle = createLifecycle(log);
  log.info({ config: maskConfig(retrievalConfig, config), pid: process.pid }, 'the server starts');
  for (const name of ['SIGINT', 'SIGTERM'] as const) process.once(name, () => lifecycle.stop(name));
  try {
    await (await import('./serve-corpus.ts')).serveCorpus(config, lifecycle, log);
    if (!lifecycle.signal.aborted) lifecycle.serving();
  } catch (error) {
    if (!lifecycle.signal.aborted) lifecycle.fail(error);
  }
  if (!lifecycle.signal.aborted) {
    await new Promise((resolve) => lifecycle.signal.addEventListener('abort', resolve, { once: true }));
  }
  const { clean } = await lifecycle.drain(config.drainMs);
  // Standard input may still be open, and would hold the process.
  process.exit(clean && lifecycle.failure === undefined ? 0 : 1);
}
