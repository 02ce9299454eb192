import type { MessageInitShape } from '@bufbuild/protobuf';
import type { AcceptedChangeSchema, InputDigestSchema } from '#proto/coordinator/v1/ledger_pb.ts';
import type { TerminalError } from '#platform/errors.ts';
import { changedInputs, refusalOf } from '#recipe/inputs/changed-inputs.ts';
import type { InputChange } from '#recipe/inputs/changed-inputs.ts';
import { isLoaded } from '#recipe/inputs/input-files.ts';
import { digestCacheFile, surveyInputs } from '#recipe/inputs/survey-inputs.ts';
import type { RecordedInput } from '#recipe/resolve-recipe.ts';
import type { RunState } from '#run/ledger/run-state.ts';
import type { CheckedRequest, RunRequest } from './check-request.ts';

/** What a run stands on, as the first fact of a leader says it. */
export interface StandsOn {
  /** As they are from here on. */
  readonly inputs: readonly RecordedInput[];
  /** Empty when they are those that the ledger has. */
  readonly recorded: MessageInitShape<typeof InputDigestSchema>[];
  readonly accepted: MessageInitShape<typeof AcceptedChangeSchema>[];
  /** Why the run may not go on with what is there. */
  readonly refusal: TerminalError | undefined;
  /** Nothing is refused but files that are not here: they may be elsewhere, or come back. */
  readonly isGone: boolean;
  /** What changed and is passed over: files that nothing loads by itself, in a run that is taken over. */
  readonly passed: readonly InputChange[];
}

/**
 * Compares what a run stands on with what its ledger recorded. Files that are known by size and times are not read again. A run that
 * is taken over has nobody to ask: it goes on where only files next to those that it loads have changed, and the ledger names them.
 */
export async function checkInputs(
  request: RunRequest & { readonly takenOver: boolean },
  { resolved, directory, edit }: CheckedRequest,
  known: RunState,
  signal: AbortSignal,
): Promise<StandsOn> {
  const found = await surveyInputs(resolved.paths, { cacheFile: digestCacheFile(directory), signal });
  const inputs = found.map(({ name, path, digest, bytes }) => ({ name, path, digest, bytes }));
  // A ledger of an earlier version has none: they count from now on.
  const changed = known.inputs.length === 0 ? [] : changedInputs(known.inputs, found);
  const passed = request.takenOver ? changed.filter(({ name }) => !isLoaded(name, resolved.paths)) : [];
  const changes = edit === undefined ? changed : [edit, ...changed];
  const refused = changes.filter((change) => !passed.includes(change));
  return {
    inputs,
    recorded:
      changed.length > 0 || known.inputs.length === 0
        ? inputs.map(({ bytes, ...input }) => ({ ...input, sizeBytes: BigInt(bytes) }))
        : [],
    accepted: changes.map(acceptedChange),
    refusal: refusalOf(request.runId, refused, request.acceptChanged, known.inputsAtMs),
    isGone: refused.length > 0 && refused.every(({ found: here }) => here === undefined),
    passed,
  };
}

function acceptedChange({ name, path, recorded, found }: InputChange): MessageInitShape<typeof AcceptedChangeSchema> {
  return {
    name,
    path,
    recordedDigest: recorded?.digest ?? '',
    foundDigest: found?.digest ?? '',
    recordedSizeBytes: BigInt(recorded?.bytes ?? 0),
    foundSizeBytes: BigInt(found?.bytes ?? 0),
  };
}
