import type { FactInit } from '#run/ledger/read-ledger.ts';
import { versionOf } from '#run/ledger/run-state.ts';
import { writeModel, exportModel } from '#weights/model-directory.ts';
import { branchModel, localWeights, sharedWeights } from '../run-context.ts';
import type { RunContext } from '../run-context.ts';

/** Writes the policy as it is to a directory that transformers loads. */
export async function exportPolicy(context: RunContext, to: string): Promise<void> {
  const weights = await localWeights(context, context.ledger.state);
  await context.confirmLead();
  await context.writeFolder(context.signal, () => exportModel(weights, context.resolved.paths.model, to));
  context.log.info({ directory: to }, 'the policy is exported');
}

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
  const path = await sharedWeights(context, state);
  const opened = learner === undefined ? undefined : await learner.open(state, signal);
  await policy.load(versionOf(state), { ...opened?.weights, path }, signal);
}
