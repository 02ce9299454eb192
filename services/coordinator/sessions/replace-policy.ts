import type { FactInit } from '#run/ledger/ledger-stream.ts';
import { versionOf } from '#run/ledger/run-state.ts';
import { writeModel } from '../files/export-model.ts';
import { branchModel, currentWeights } from '../run-context.ts';
import type { RunContext } from '../run-context.ts';

/**
 * A new branch of weights begins from what `write` puts into a directory: config and weights. `factOf` gives the fact that says so; after a
 * kill before it everything is done again, after it the run goes on from the branch.
 */
export async function replacePolicy(
  context: RunContext,
  write: (directory: string) => Promise<void>,
  factOf: () => FactInit,
): Promise<void> {
  const { ledger, learner, policy, resolved, signal } = context;
  await context.confirmLead();
  await context.writeFolder(signal, () =>
    writeModel(write, resolved.paths.model, branchModel(context, ledger.state.branch.index + 1)),
  );
  await ledger.append(factOf());
  const { state } = ledger;
  const path = currentWeights(context, state);
  const opened = learner === undefined ? undefined : await learner.open(state, signal);
  await policy.load(versionOf(state), { ...opened?.weights, path }, signal);
}
