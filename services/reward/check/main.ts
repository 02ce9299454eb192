/**
 * Checks custom scorers without a service: whether they load, and take the settings that stages give them.
 *
 *   stdin: {"scorers": {NAME: …}, "python": "…", "settings": [{"name", "settingsJson"}]}
 *   stdout: one line, {"scorers": {NAME: problem}, "settings": {INDEX: problem}}, or {"error": {"code", "message"}}
 */
import { text } from 'node:stream/consumers';
import { z } from 'zod';
import { errorFrom } from '#platform/errors.ts';
import { customScorersSettings } from '#rewards/custom-scorer-settings.ts';
import { createLogger } from '#platform/telemetry/logging.ts';
import { createMetrics } from '#platform/telemetry/metrics.ts';
import { checkScorers } from './check-scorers.ts';

const inputSchema = z.strictObject({
  scorers: customScorersSettings,
  python: z.string().min(1),
  settings: z.array(z.strictObject({ name: z.string(), settingsJson: z.string() })),
});

async function check(): Promise<object> {
  const input = inputSchema.parse(JSON.parse(await text(process.stdin)));
  await using ending = new AsyncDisposableStack();
  const ctx = {
    log: createLogger({ service: 'check-scorers', level: 'error' }),
    metrics: createMetrics({ processMetrics: false }),
    signal: new AbortController().signal,
    defer: (_what: string, dispose: () => void | Promise<void>) => ending.defer(dispose),
  };
  return await checkScorers(input, ctx, process.env);
}

try {
  process.stdout.write(`${JSON.stringify(await check())}\n`);
} catch (thrown) {
  const { code, message } = errorFrom(thrown);
  process.stdout.write(`${JSON.stringify({ error: { code, message } })}\n`);
  process.exitCode = 1;
}
