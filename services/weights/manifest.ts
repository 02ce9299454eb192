/**
 * What a directory of weights holds: the size and SHA-256 of each file, in `manifest.json`, written last. The same as
 * `gradus_learner/files/manifest.py` reads and writes.
 */
import { createHash } from 'node:crypto';
import { readFile, readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { TerminalError, errorFrom } from '#platform/errors.ts';
import { hashFile } from '#platform/files/hash-file.ts';

export const manifestName = 'manifest.json';
export const weightsName = /^model[^/\\]*\.safetensors$/;

const fileDigestSchema = z.object({ sizeBytes: z.int().min(0), sha256: z.string().regex(/^[0-9a-f]{64}$/) });
export type FileDigest = z.infer<typeof fileDigestSchema>;
export type FileDigests = Readonly<Record<string, FileDigest>>;

const manifestSchema = z.object({
  format: z.literal('gradus-manifest-1'),
  kind: z.enum(['version', 'checkpoint']),
  runId: z.string(),
  step: z.int().min(0),
  files: z.record(z.string(), fileDigestSchema),
});
export type Manifest = z.infer<typeof manifestSchema>;

export function digestOf(content: string | Uint8Array): FileDigest {
  const bytes = typeof content === 'string' ? Buffer.from(content) : content;
  return { sizeBytes: bytes.byteLength, sha256: createHash('sha256').update(bytes).digest('hex') };
}

export async function digestFile(path: string): Promise<FileDigest> {
  let sizeBytes = 0;
  const sha256 = await hashFile(path, AbortSignal.any([]), (bytes) => (sizeBytes += bytes));
  return { sizeBytes, sha256 };
}

/** SHA-256 of what `sha256sum model*.safetensors` prints; empty without such a file. */
export function weightsDigest(files: FileDigests): string {
  const lines = Object.keys(files)
    .filter((name) => weightsName.test(name))
    .toSorted()
    .map((name) => `${files[name]?.sha256 ?? ''}  ${name}\n`);
  return lines.length === 0 ? '' : createHash('sha256').update(lines.join('')).digest('hex');
}

export function manifestJson(manifest: Omit<Manifest, 'format'>): string {
  return `${JSON.stringify({ format: 'gradus-manifest-1', ...manifest }, null, 2)}\n`;
}

/** Undefined when there is none. Throws TerminalError('data_loss') for one that is cut or damaged. */
export async function readManifest(directory: string): Promise<Manifest | undefined> {
  const path = join(directory, manifestName);
  try {
    return manifestSchema.parse(JSON.parse(await readFile(path, 'utf8')));
  } catch (cause) {
    if (errorFrom(cause).code === 'not_found') return undefined;
    throw new TerminalError('data_loss', `${path} is cut or damaged`, { cause });
  }
}

/**
 * One line for each file that is not what the manifest says, and for weights that it does not list. Files whose digest is `known` are
 * not read.
 */
export async function differences(directory: string, files: FileDigests, known: FileDigests = {}): Promise<string[]> {
  const found: string[] = [];
  for (const [name, expected] of Object.entries(files)) {
    const path = join(directory, name);
    try {
      const digest = known[name] ?? (await digestOfSize(path, expected.sizeBytes));
      if (digest.sizeBytes !== expected.sizeBytes)
        found.push(`${path}: expected ${expected.sizeBytes} bytes, found ${digest.sizeBytes}`);
      else if (digest.sha256 !== expected.sha256)
        found.push(`${path}: expected SHA-256 ${expected.sha256}, found ${digest.sha256}`);
    } catch (cause) {
      found.push(`${path}: ${errorFrom(cause).message}`);
    }
  }
  const strangers = (await readdir(directory)).filter((name) => weightsName.test(name) && !(name in files));
  return [...found, ...strangers.map((name) => `${join(directory, name)}: not in the manifest`)];
}

/** A file of another size is not read. */
async function digestOfSize(path: string, sizeBytes: number): Promise<Partial<FileDigest>> {
  const { size } = await stat(path);
  return size === sizeBytes ? await digestFile(path) : { sizeBytes: size };
}

/**
 * The digest of the weights in `directory`, which agree with its manifest if it has one and with `expected` unless that
 * is empty. Throws TerminalError('failed_precondition') that names the file, what was expected and what was found.
 */
export async function checkWeights(directory: string, expected: string): Promise<string> {
  const refuse = (message: string, cause?: unknown): TerminalError =>
    new TerminalError('failed_precondition', `weights_path: ${message}`, { cause });
  const names = await readdir(directory).catch((cause: unknown) => {
    throw refuse(`${directory} cannot be read`, cause);
  });
  const manifest = await readManifest(directory);
  const found: Record<string, FileDigest> = {};
  for (const name of names.filter((each) => weightsName.test(each)))
    found[name] = await digestFile(join(directory, name));
  if (Object.keys(found).length === 0) throw refuse(`${directory} has no model.safetensors`);
  const wrong =
    manifest === undefined
      ? []
      : await differences(
          directory,
          Object.fromEntries(Object.entries(manifest.files).filter(([name]) => weightsName.test(name))),
          found,
        );
  if (wrong.length > 0) throw refuse(wrong.join('; '));
  const digest = weightsDigest(found);
  if (expected !== '' && digest !== expected)
    throw refuse(`${directory}: expected weights with digest ${expected}, found ${digest}`);
  return digest;
}
