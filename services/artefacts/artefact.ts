/** What an artefact is: files by relative path, named by one digest that `sha256sum` gives as well. */
import { createHash } from 'node:crypto';
import { z } from 'zod';
import { TerminalError } from '#platform/errors.ts';

export const artefactKinds = ['version', 'checkpoint', 'model', 'data', 'corpus', 'index', 'input', 'file'] as const;
export type ArtefactKind = (typeof artefactKinds)[number];

const sha256 = z.string().regex(/^[0-9a-f]{64}$/, 'must be 64 lower-case hexadecimal digits');

/** A path of another machine may not lead out of the folder that it is fetched into. */
function isInside(path: string): boolean {
  const names = path.split('/');
  return (
    !path.includes('\\') && !path.includes('\0') && names.every((name) => name !== '' && name !== '.' && name !== '..')
  );
}

const fileSchema = z.object({
  path: z
    .string()
    .max(1024)
    .refine(isInside, 'must be a relative path without . and ..')
    .refine((path) => !path.includes('\n'), 'must be one line'),
  sizeBytes: z.int().min(0),
  sha256,
  /** Every part but the last has `partBytes`. One part of a whole file has the digest of the file; an empty file has none. */
  parts: z.array(sha256),
});

export const artefactSchema = z.object({
  format: z.literal('gradus-artefact-1'),
  kind: z.enum(artefactKinds),
  /** The run that made it; empty where none did. */
  runId: z.string().max(256),
  /** Absent where files are kept whole. */
  partBytes: z.int().min(1).optional(),
  files: z.array(fileSchema).min(1).max(100_000),
});
export type Artefact = z.infer<typeof artefactSchema>;
export type ArtefactFile = z.infer<typeof fileSchema>;

/** SHA-256 of what `sha256sum` prints for the files in the order of their paths' code units. Stores that cut differently give one digest. */
export function artefactDigest(files: readonly Pick<ArtefactFile, 'path' | 'sha256'>[]): string {
  const lines = files.map(({ path, sha256: digest }) => `${digest}  ${path}\n`);
  // The digest is first on each line: sorted by path, not by line.
  const order = files.map(({ path }, index) => ({ path, index })).sort((a, b) => (a.path < b.path ? -1 : 1));
  return createHash('sha256')
    .update(order.map(({ index }) => lines[index]).join(''))
    .digest('hex');
}

export const digestOf = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

export const blobKey = (digest: string): string => `blobs/${digest}`;
export const artefactKey = (digest: string): string => `artefacts/${digest}`;

export function parseDigest(value: string): string {
  const { success, data } = sha256.safeParse(value);
  if (success) return data;
  throw new TerminalError('invalid_argument', `digest is '${value}'; it must be 64 lower-case hexadecimal digits`);
}
