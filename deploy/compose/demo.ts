/**
 * The demo on a fleet of containers. `prepare` makes the inputs of a recipe on the shared volume, before services that load them start; `run`
 * submits it and follows it to its end. Usage: demo.ts prepare|run RECIPE HOME [--set KEY=VALUE]...
 */
import { join } from 'node:path';
import { loadRecipe, prepareInputs } from '#cli/run/prepare-inputs.ts';
import { followRun } from '#cli/run/follow-run.ts';
import { createCoordinators } from '#cli/run/coordinators.ts';
import { progressLine } from '#cli/run/progress.ts';
import { errorFrom, TerminalError } from '#platform/errors.ts';
import { createGrpcClient } from '#platform/grpc/client.ts';
import { CoordinatorService } from '#proto/coordinator/v1/coordinator_service_pb.ts';
import { RunState } from '#proto/coordinator/v1/coordinator_pb.ts';
import { stateWord } from '#run/live-status.ts';
import { resolvedRecipeJson, resolveRecipe } from '#recipe/resolve-recipe.ts';

const columns = 160;

async function demo([command, file = '', home = '', ...settings]: readonly string[]): Promise<boolean> {
  if ((command !== 'prepare' && command !== 'run') || file === '' || home === '')
    throw new TerminalError('invalid_argument', 'usage: demo.ts prepare|run RECIPE HOME [--set KEY=VALUE]...');
  const set = settings.filter((word) => word !== '--set');
  const loaded = await loadRecipe(file, set);
  const paths = await prepareInputs(loaded, join(home, 'inputs'));
  if (command === 'prepare') {
    process.stdout.write(`the inputs of ${file} are in ${join(home, 'inputs')}\n`);
    return true;
  }
  return await run(resolvedRecipeJson(resolveRecipe(loaded.recipe, file, paths, set)), home);
}

/** GRADUS_SERVER is the coordinator, host:port. */
async function run(recipeJson: string, home: string): Promise<boolean> {
  const client = createGrpcClient(CoordinatorService, process.env['GRADUS_SERVER'] ?? 'coordinator:50051', {
    timeoutMs: 120_000,
  });
  const runId = `demo-${new Date().toISOString().slice(0, 19).replaceAll(/[-:T]/g, '')}`;
  await client.submitRun({ runId, recipeJson, directory: join(home, runId), resume: false });
  process.stdout.write(`run ${runId} in ${join(home, runId)}\n`);
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
