import { join } from 'node:path';
import { createFileWriter, type FileWriter } from './file-writer.ts';
import { contentFiles, lexicalFiles, type ContentFileName, type LexicalFileName } from './lexical-files.ts';
import type { IndexManifest } from './manifest.ts';

export type IndexFileWriters = Readonly<Record<LexicalFileName | ContentFileName, FileWriter>>;

/** The writers of all files of an index. */
export interface IndexFiles {
  readonly writers: IndexFileWriters;
  /** Ends all of them; for the manifest. */
  finish(): IndexManifest['files'];
  abandon(): void;
}

export function createIndexFiles(directory: string): IndexFiles {
  const opened: [string, FileWriter][] = [];
  const abandon = (): void => opened.forEach(([, file]) => file.abandon());
  try {
    for (const name of [...Object.keys(lexicalFiles), ...contentFiles])
      opened.push([name, createFileWriter(join(directory, name))]);
  } catch (thrown) {
    abandon();
    throw thrown;
  }
  return {
    // Every name has its writer now, which the type of fromEntries cannot say.
    writers: Object.fromEntries(opened) as IndexFileWriters,
    finish: () =>
      Object.fromEntries(
        opened.map(([name, file]) => {
          const { bytes, crc32 } = file.finish();
          return [name, { bytes, crc32 }];
        }),
      ),
    abandon,
  };
}
