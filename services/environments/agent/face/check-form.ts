import type { EnvironmentClients } from '../../kit/clients.ts';
import type { WantedTurns } from './agent-call.ts';
import { refusal } from './refusal.ts';
import type { Session } from './session.ts';

/** Longest time that the gateway is asked what engines can. */
const describeMs = 30_000;

/**
 * Throws a refusal for turns that are to be held to a form where they are trained on, may call tools, or no engine can. The log-probabilities of such a
 * turn are of what the form left, and the learner computes the whole distribution.
 */
export async function checkForm(
  { call, form }: Pick<WantedTurns, 'call' | 'form'>,
  { trained }: Pick<Session, 'trained'>,
  forms: EnvironmentClients['forms'],
): Promise<void> {
  if (form === undefined) return;
  const { field, kind } = form;
  const refuse = (why: string): never => {
    throw refusal('unsupported_value', `${field}: ${why}`, field);
  };
  if (trained) {
    refuse(
      'turns of this rollout are trained on, and are drawn freely; leave it out, say in the messages what is wanted, or ask in an evaluation',
    );
  }
  if (call.kind === 'chat' && call.mayCall && call.tools.length > 0)
    refuse('a turn that is held to a form cannot call tools; leave the tools out, or set tool_choice to none');
  const known = (await forms?.(AbortSignal.timeout(describeMs))) ?? [];
  if (known.includes(kind)) return;
  const can = known.length === 0 ? 'none of them can any' : `they can ${known.join(', ')}`;
  refuse(`no engine can hold a turn to ${kind} now, ${can}; the built-in engine samples freely`);
}
