import type { ScorerSettings } from '#proto/rollout/v1/task_pb.ts';
import { TerminalError, errorFrom } from '#platform/errors.ts';
import { checkSettings } from '../check-item.ts';
import type { CustomScorers } from './custom-scorers.ts';

const mostSettings = 4096;

/** What custom scorers refuse of settings that are meant for them, by index; other names are passed over. */
export async function settingsProblems(
  settings: readonly Pick<ScorerSettings, 'name' | 'settingsJson'>[],
  custom: CustomScorers,
  signal: AbortSignal,
): Promise<Record<number, string>> {
  if (settings.length > mostSettings) {
    throw new TerminalError(
      'invalid_argument',
      `custom_settings: found ${settings.length}; give at most ${mostSettings}`,
    );
  }
  const problems: Record<number, string> = {};
  for (const [index, { name, settingsJson }] of settings.entries()) {
    const scorer = custom.get(name);
    if (scorer === undefined) continue;
    const problem = objectProblem(name, settingsJson, custom) ?? (await scorer.settingsProblem(settingsJson, signal));
    if (problem !== undefined) problems[index] = problem;
  }
  return problems;
}

function objectProblem(name: string, settingsJson: string, custom: CustomScorers): string | undefined {
  try {
    checkSettings(name, settingsJson, custom);
    return undefined;
  } catch (thrown) {
    return errorFrom(thrown).message;
  }
}
