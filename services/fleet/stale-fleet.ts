import { TerminalError } from '#platform/errors.ts';
import { changedInputs, describeChange } from '#recipe/inputs/changed-inputs.ts';
import type { FoundInput } from '#recipe/inputs/survey-inputs.ts';
import type { RecordedInput } from '#recipe/resolve-recipe.ts';
import type { Recipe } from '#recipe/schema.ts';
import type { FleetFile } from './fleet-file.ts';

/** What the services of a fleet keep from the time of their start. Questions are read anew for each run, but by what is scripted. */
export function loadedInputs<Input extends RecordedInput>(inputs: readonly Input[], { fleet }: Recipe): Input[] {
  const scripted = fleet.engine.kind === 'scripted' || Object.keys(fleet.scripted_judges).length > 0;
  return inputs.filter(({ name }) => scripted || (name !== 'train' && name !== 'held_out'));
}

/** Refuses a lent fleet whose corpus, model or scorers are not what lies on the disk by now. */
export function refuseStaleFleet(fleet: FleetFile, found: readonly FoundInput[], recipe: Recipe, home: string): void {
  // One that an earlier version started says nothing of its inputs.
  if (fleet.inputs.length === 0) return;
  const changes = changedInputs(fleet.inputs, loadedInputs(found, recipe));
  if (changes.length === 0) return;
  throw new TerminalError(
    'failed_precondition',
    [
      `the fleet in ${home} (process ${fleet.supervisor.pid}) was started before these files changed, and holds what it read then:`,
      ...changes.slice(0, 20).map((change) => `  ${describeChange(change)}`),
      `stop it with 'gradus stop --home ${home}' and start it again with 'gradus up ${fleet.recipePath}'`,
    ].join('\n'),
  );
}
