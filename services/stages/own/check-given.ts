import { z } from 'zod';
import { showValue } from '#platform/text/show-value.ts';
import { UserCodeError } from '#user-code/user-code-error.ts';
import type { ArtefactRow } from '../kit/artefacts.ts';
import type { ActionEnd } from '../kit/stage-kind.ts';
import type { OwnStageNext } from './define-stage-kind.ts';

// A file is run without a check of its types: what its functions give is checked here. Each throws a UserCodeError with the value and what to give.

const next = z.strictObject({ finish: z.string().min(1) }).optional();
const end = z
  .union([
    z.strictObject({ kind: z.enum(['done', 'stopped']) }),
    z.strictObject({ kind: z.literal('finish'), reason: z.string().min(1) }),
  ])
  .optional();
const row = z.object({
  id: z.string().min(1),
  data: z.record(z.string(), z.unknown()),
  gold: z.record(z.string(), z.unknown()),
  tags: z.record(z.string(), z.string()),
});

export function checkedNext(given: OwnStageNext): OwnStageNext {
  if (next.safeParse(given).success) return given;
  throw new UserCodeError(`next() gave ${showValue(given)}; give undefined, or { finish: 'one-word' }`);
}

export function checkedEnd(given: ActionEnd | void): ActionEnd | void {
  if (end.safeParse(given).success) return given;
  throw new UserCodeError(
    `run() gave ${showValue(given)}; give nothing, { kind: 'done' } or { kind: 'finish', reason: 'one-word' }`,
  );
}

export function* checkedRows(given: Iterable<ArtefactRow>): Generator<ArtefactRow> {
  let index = 0;
  for (const each of given) {
    const [issue] = row.safeParse(each).error?.issues ?? [];
    if (issue !== undefined)
      throw new UserCodeError(
        `leaveRows(): row ${index}: ${issue.path.join('.')}: ${issue.message} (got ${showValue(each)}); a row is { id, data, gold, tags }`,
      );
    index += 1;
    yield each;
  }
}
