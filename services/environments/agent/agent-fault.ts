import { UserCodeError } from '#user-code/user-code-error.ts';

/** A fault of the agent's author. Where we noticed it helps nobody. */
export function agentFault(message: string): UserCodeError {
  return new UserCodeError(message, { trace: message });
}
