import { indexVersionOf, type IndexManifest } from './manifest.ts';

/** What is said of an index: its manifest, where it lies, its version and its size. */
export function describeIndex(directory: string, manifest: IndexManifest): object {
  const { files, vectors } = manifest;
  const bytes = Object.values(files).reduce((sum, file) => sum + file.bytes, vectors?.bytes ?? 0);
  return { directory, indexVersion: indexVersionOf(manifest), bytes, ...manifest };
}
