import type { Episode } from './scorer.ts';

/** Violations that can only come from an attempt to call a tool. */
const failedCallCodes: ReadonlySet<string> = new Set(['broken_json', 'unknown_tool', 'bad_arguments']);

/** Calls that succeeded / calls attempted. 0 without any call: an episode that uses no tool must not score. */
export function scoreToolSuccess({ turns }: Episode): number {
  let attempted = 0;
  let succeeded = 0;
  for (const { action } of turns) {
    if (action.case === 'toolCall') {
      attempted += 1;
      if (action.value.succeeded) succeeded += 1;
    } else if (action.case === 'violation' && failedCallCodes.has(action.value.code)) {
      attempted += 1;
    }
  }
  return attempted === 0 ? 0 : succeeded / attempted;
}
