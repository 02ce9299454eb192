import { readFileSync } from 'node:fs';
import { TerminalError } from '#platform/errors.ts';

/** The key that the settings name; undefined when they name none, as for an engine of one's own. Never part of a message. */
export function readApiKey(
  judge: string,
  settings: { readonly apiKeyEnv?: string | undefined; readonly apiKeyFile?: string | undefined },
  environment: NodeJS.ProcessEnv,
): string | undefined {
  const { apiKeyEnv, apiKeyFile } = settings;
  if (apiKeyEnv !== undefined) return readKeyVariable(`judges.${judge}.apiKeyEnv`, apiKeyEnv, environment);
  if (apiKeyFile === undefined) return undefined;
  const where = `judges.${judge}.apiKeyFile: file '${apiKeyFile}'`;
  try {
    return checked(readFileSync(apiKeyFile, 'utf8'), where, 'put the key into it');
  } catch (cause) {
    if (cause instanceof TerminalError) throw cause;
    throw new TerminalError('failed_precondition', `${where} cannot be read; check its path and its rights`, { cause });
  }
}

/** The key in a variable that the setting `where` names. `TerminalError` failed_precondition when there is none. */
export function readKeyVariable(where: string, variable: string, environment: NodeJS.ProcessEnv): string {
  return checked(environment[variable], `${where}: variable ${variable}`, 'set it');
}

function checked(text: string | undefined, where: string, fix: string): string {
  const key = text?.trim() ?? '';
  if (key === '') throw new TerminalError('failed_precondition', `${where} is empty or not set; ${fix}`);
  // A header cannot carry anything else.
  if (!/^[\x21-\x7e]+$/.test(key)) {
    throw new TerminalError('failed_precondition', `${where} holds more than one word or no plain ASCII; ${fix}`);
  }
  return key;
}
