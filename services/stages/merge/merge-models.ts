import { cp } from 'node:fs/promises';
import { join } from 'node:path';
import { TerminalError } from '#platform/errors.ts';
import { checkWeights, digestFile } from '#weights/manifest.ts';
import type { StageContext } from '../kit/stage-context.ts';
import { writeMean } from './mean.ts';
import { differencesOf } from './model-differences.ts';
import { modelFileOf, readOutline } from './outline.ts';
import type { MergeStage } from './schema.ts';

/** What a merge was made of: the stage's fact, and `merge.json` of its folder. Digests as `sha256sum model*.safetensors | sha256sum` gives them. */
interface Merged {
  readonly models: readonly { readonly of: string; readonly weight: number; readonly digest: string }[];
  readonly digest: string;
}

/** Writes the weighted mean of the stage's models, with the config of the policy, to a directory. */
export async function mergeModels(context: StageContext, stage: MergeStage, directory: string): Promise<Merged> {
  const deadline = AbortSignal.timeout(stage.deadlines.stage_ms);
  const signal = AbortSignal.any([context.signal, deadline]);
  const policy = await context.policyDirectory();
  const reference = await readOutline(policy, context.modelDirectory);
  const models = [];
  const problems: string[] = [];
  for (const [index, model] of stage.models.entries()) {
    const path =
      model.stage !== undefined ? await context.take(model.stage, 'weights') : context.file(modelFileOf(index));
    const of = model.stage !== undefined ? `stage ${model.stage}` : path;
    const outline = await readOutline(path, path);
    problems.push(...differencesOf(outline, reference).map((problem) => `${of}: ${problem}`));
    models.push({ name: of, weight: model.weight, tensors: outline.tensors ?? new Map(), path });
  }
  if (problems.length > 0)
    throw new TerminalError('failed_precondition', `stage ${stage.name}: its models differ: ${problems.join('; ')}`);
  try {
    await writeMean(models, join(directory, 'model.safetensors'), signal);
  } catch (thrown) {
    if (!deadline.aborted || context.signal.aborted) throw thrown;
    throw new TerminalError(
      'failed_precondition',
      `stage ${stage.name}: its models are not merged after deadlines.stage_ms (${stage.deadlines.stage_ms}); raise it, or look at the disk`,
      { cause: thrown },
    );
  }
  await cp(join(policy, 'config.json'), join(directory, 'config.json'));
  const merged: Merged = {
    models: await Promise.all(
      models.map(async ({ name, weight, path }) => ({ of: name, weight, digest: await digestOf(path) })),
    ),
    digest: await checkWeights(directory, ''),
  };
  await context.write('merge.json', [`${JSON.stringify(merged, undefined, 2)}\n`]);
  return merged;
}

async function digestOf(path: string): Promise<string> {
  return path.endsWith('.safetensors') ? (await digestFile(path)).sha256 : await checkWeights(path, '');
}
