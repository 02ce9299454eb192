import { createLogger } from '#platform/telemetry/logging.ts';
import { createMetrics } from '#platform/telemetry/metrics.ts';
import { createJudge, type JudgeContext } from './judge.ts';
import { judgeSettings, type JudgeSettings } from '#rewards/judge-settings.ts';

/** A judge with pauses short enough for tests. */
export function judgeUnderTest(
  baseUrl: string,
  settings: Partial<JudgeSettings> = {},
  context: Partial<JudgeContext> = {},
) {
  const metrics = createMetrics();
  const parsed = judgeSettings.parse({
    baseUrl,
    model: 'scripted',
    retryBaseMs: 1,
    retryMaxMs: 4,
    ...settings,
  });
  const log = createLogger({ service: 'reward', level: 'silent' });
  return { judge: createJudge('main', parsed, { log, metrics, apiKey: undefined, ...context }), metrics };
}
