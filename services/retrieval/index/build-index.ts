import { mkdir, mkdtemp, readdir, rename, rm } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { TerminalError, errorFrom } from '#platform/errors.ts';
import {
  indexSettingsSchema,
  manifestName,
  type IndexManifest,
  type IndexSettings,
  type IndexSettingsInput,
} from './manifest.ts';
import { writeIndex, type WriteIndexOptions } from './write-index.ts';

export interface BuildIndexOptions extends WriteIndexOptions {
  /** Must not exist, or be empty, or be an index if `replace` is set. */
  readonly directory: string;
  readonly settings: IndexSettingsInput;
  /** Whether an index that lies there already makes room once the new one is complete. */
  readonly replace?: boolean;
}

/**
 * Builds an index of a corpus in a temporary directory next to the target, and renames it when it is complete:
 * after an error or a cancellation nothing is left. Memory: `memoryBytes` for postings, and about 40 bytes a page
 * besides its id.
 */
export async function buildIndex(options: BuildIndexOptions): Promise<IndexManifest> {
  const directory = resolve(options.directory);
  const settings = parseSettings(options.settings);
  await checkTarget(directory, options.replace === true);
  await mkdir(dirname(directory), { recursive: true });
  const temporary = await mkdtemp(join(dirname(directory), `${basename(directory)}.tmp-`));
  try {
    // A directory of that name is its owner's alone; one inside it has the rights that the umask says, to be served by others.
    const built = join(temporary, 'index');
    await mkdir(built);
    const manifest = await writeIndex(built, settings, options);
    await replaceDirectory(built, directory);
    return manifest;
  } catch (thrown) {
    throw errorFrom(thrown);
  } finally {
    await rm(temporary, { recursive: true, force: true });
  }
}

function parseSettings(settings: IndexSettingsInput): IndexSettings {
  const parsed = indexSettingsSchema.safeParse(settings);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw new TerminalError('invalid_argument', `${issue?.path.join('.') ?? ''}: ${issue?.message ?? 'is wrong'}`);
}

async function checkTarget(directory: string, replace: boolean): Promise<void> {
  const entries = await readdir(directory).catch((thrown: unknown): string[] => {
    const error = errorFrom(thrown);
    if (error.code === 'not_found') return [];
    throw new TerminalError('invalid_argument', `${directory}: is not a directory (${error.message}); give another`);
  });
  if (entries.length === 0) return;
  if (!entries.includes(manifestName))
    throw new TerminalError('already_exists', `${directory}: holds other files; give a directory of its own`);
  if (!replace)
    throw new TerminalError(
      'already_exists',
      `${directory}: holds an index already; give another directory, or --replace`,
    );
}

/** Anyone who has the old index open keeps it: its files live until they are closed. */
async function replaceDirectory(temporary: string, directory: string): Promise<void> {
  const old = `${temporary}.old`;
  const moved = await rename(directory, old).then(
    () => true,
    (thrown: unknown) => {
      if (errorFrom(thrown).code === 'not_found') return false;
      throw thrown;
    },
  );
  await rename(temporary, directory);
  if (moved) await rm(old, { recursive: true, force: true });
}
