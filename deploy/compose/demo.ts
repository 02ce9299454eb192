/**
 * The demo on a fleet of containers. `prepare` makes the inputs of a recipe in a folder, before services that read them start; `run` submits
 * it and follows it to its end. RUNS is a folder of the coordinator. Usage: demo.ts prepare RECIPE INPUTS | run RECIPE INPUTS RUNS,
 * and [--set KEY=VALUE]...
 */
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { loadRecipe, prepareInputs } from '#cli/run/prepare-inputs.ts';
import { followRun } from '#cli/run/follow-run.ts';
import { createCoordinators } from '#cli/run/coordinators.ts';
import { progressLine } from '#cli/run/progress.ts';
import { openOperator } from '#fleet/credentials-directory.ts';
import { errorFrom, TerminalError } from '#platform/errors.ts';
import { createGrpcClient } from '#platform/grpc/client.ts';
import { CoordinatorService } from '#proto/coordinator/v1/coordinator_service_pb.ts';
import { RunState } from '#proto/coordinator/v1/coordinator_pb.ts';
import { stateWord } from '#run/live-status.ts';
import { resolvedRecipeJson, resolveRecipe } from '#recipe/resolve-recipe.ts';

const columns = 160;
const usage = 'usage: demo.ts prepare RECIPE INPUTS | demo.ts run RECIPE INPUTS RUNS, and [--set KEY=VALUE]...';

async function demo(words: readonly string[]): Promise<boolean> {
  const { values, positionals } = parseArgs({
    args: [...words],
    allowPositionals: true,
    options: { set: { type: 'string', multiple: true, default: [] } },
  });
  const [command, file, inputs, runs] = positionals;
  const isComplete = command === 'prepare' ? runs === undefined : command === 'run' && runs !== undefined;
  if (!isComplete || file === undefined || inputs === undefined) throw new TerminalError('invalid_argument', usage);
  const loaded = await loadRecipe(file, values.set);
  const paths = await prepareInputs(loaded, inputs);
  if (runs === undefined) {
    process.stdout.write(`the inputs of ${file} are in ${inputs}\n`);
    return true;
  }
  return await run(resolvedRecipeJson(resolveRecipe(loaded.recipe, file, paths, values.set)), runs);
}

/** GRADUS_SERVER is the coordinator, host:port; OPERATOR_CREDENTIALS a directory with the operator's certificate. */
async function run(recipeJson: string, runs: string): Promise<boolean> {
  const client = createGrpcClient(CoordinatorService, process.env['GRADUS_SERVER'] ?? 'coordinator:50051', {
    timeoutMs: 120_000,
    security: await openOperator(process.env['OPERATOR_CREDENTIALS']),
  });
  const runId = `demo-${new Date().toISOString().slice(0, 19).replaceAll(/[-:T]/g, '')}`;
  await client.submitRun({ runId, recipeJson, directory: join(runs, runId), resume: false });
  process.stdout.write(`run ${runId} in ${join(runs, runId)}\n`);
  let said = '';
  const last = await followRun(createCoordinators([client]), runId, new AbortController().signal, (status) => {
    const at = `${status.stage} ${status.step} ${status.phase}`;
    if (at !== said) process.stdout.write(`${progressLine(status, undefined, columns)}\n`);
    said = at;
  });
  client.close();
  process.stdout.write(`run ${runId}: ${stateWord(last.state)} ${last.message}\n`);
  return last.state === RunState.FINISHED;
}

try {
  process.exitCode = (await demo(process.argv.slice(2))) ? 0 : 1;
} catch (error) {
  process.stderr.write(`demo: ${errorFrom(error).message}\n`);
  process.exitCode = 1;
}
