import { createLogger } from '#shared/telemetry/logging.ts';
import { createMetrics } from '#shared/telemetry/metrics.ts';
import { createJudge, type JudgeContext } from './judge.ts';
import { judgeSettings, type JudgeSettings } from '#shared/rewards/judge-settings.ts';

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
