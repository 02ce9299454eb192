import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { TerminalError } from '#platform/errors.ts';
import { downloadModel, type DownloadProgress } from './download-model.ts';
import { repositoryFolder, type HubSettings } from './hub-settings.ts';
import { findFiles, modelFiles, type ModelFiles } from './model-files.ts';
import { parseModelReference } from './model-reference.ts';

export interface FindModelOptions {
  readonly hub: HubSettings;
  readonly onProgress?: ((progress: DownloadProgress) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * The files of a model: in the directory named, or of a hub id in the cache, or from the hub. Throws
 * `failed_precondition` saying what was looked for and where.
 */
export async function findModel(reference: string, options: FindModelOptions): Promise<ModelFiles> {
  const parsed = parseModelReference(reference);
  const { weightsFile } = parsed;
  const suffix = weightsFile === undefined ? '' : `:${weightsFile}`;
  switch (parsed.kind) {
    case 'directory': {
      const { weights, missing } = await findFiles(parsed.path, weightsFile);
      if (weights !== undefined && missing.length === 0) return modelFiles(reference, parsed.path, weights);
      throw new TerminalError(
        'failed_precondition',
        `model ${reference}: ${missing.join(', ')} not found in ${parsed.path}; ` +
          'put them there, or export the model to ONNX (optimum-cli export onnx)',
      );
    }
    case 'hub': {
      const { name, revision } = parsed;
      const id = (revision === 'main' ? name : `${name}@${revision}`) + suffix;
      const snapshot = await findSnapshot(options.hub.cacheDirectory, name, revision);
      const found = snapshot === undefined ? undefined : await findFiles(snapshot, weightsFile);
      if (snapshot !== undefined && found?.weights !== undefined && found.missing.length === 0) {
        return modelFiles(id, snapshot, found.weights);
      }
      if (options.hub.offline) {
        throw new TerminalError(
          'failed_precondition',
          `model ${id}: ${found?.missing.join(', ') ?? 'nothing'} ${found === undefined ? 'is' : 'missing'} in the cache ` +
            `${options.hub.cacheDirectory}, and HF_HUB_OFFLINE forbids to download; ` +
            'unset it, or copy the model there or into a directory and give its path',
        );
      }
      return await downloadModel({ name, revision, id, weightsFile }, options);
    }
  }
}

/** Folder of the revision in the cache; a branch or tag is a file that holds its commit. */
async function findSnapshot(cacheDirectory: string, name: string, revision: string): Promise<string | undefined> {
  const folder = repositoryFolder(cacheDirectory, name);
  if (/^[0-9a-f]{40}$/.test(revision)) return join(folder, 'snapshots', revision);
  const commit = await readFile(join(folder, 'refs', revision), 'utf8').catch(() => undefined);
  return commit === undefined ? undefined : join(folder, 'snapshots', commit.trim());
}
