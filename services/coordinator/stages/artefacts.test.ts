import { cp, mkdir, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { expect, it } from 'vitest';
import { digestOf, weightsDigest } from '#weights/manifest.ts';
import { newRunState } from '#run/ledger/run-state.ts';
import { artefactPath, takeArtefact } from './artefacts.ts';
import { temporaryDirectory } from '#platform/files/directory-under-test.ts';

/** A run of which stage `a` left what is named here, with these digests. */
async function runWith(artefacts: Readonly<Record<string, string>>) {
  const directory = await temporaryDirectory('gradus-artefacts-');
  const state = { ...newRunState('r'), artefacts: new Map(Object.entries(artefacts)) };
  const append = () => Promise.reject(new Error('nothing is left here'));
  return { directory, ledger: { state, append } };
}
async function write(path: string, content: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, content);
}

it('what a stage left is found where it lies now, and refused when it is not what was left', async () => {
  const rows = '{"id":"a","data":{},"gold":{},"tags":{}}\n';
  const digests = {
    'a/rows': digestOf(rows).sha256,
    'a/weights': weightsDigest({ 'model.safetensors': digestOf('weights') }),
  };
  const run = await runWith(digests);
  const [file, folder] = [artefactPath(run.directory, 'a', 'rows'), artefactPath(run.directory, 'a', 'weights')];
  await write(file, rows);
  await write(join(folder, 'model.safetensors'), 'weights');
  expect(await takeArtefact(run, 'a', 'rows')).toBe(file);
  expect(await takeArtefact(run, 'a', 'weights')).toBe(folder);

  const moved = await runWith(digests);
  await cp(run.directory, moved.directory, { recursive: true });
  await rm(run.directory, { recursive: true });
  await mkdir(run.directory);
  expect(await takeArtefact(moved, 'a', 'rows')).toBe(artefactPath(moved.directory, 'a', 'rows'));

  await writeFile(artefactPath(moved.directory, 'a', 'rows'), `${rows}${rows}`);
  await expect(takeArtefact(moved, 'a', 'rows')).rejects.toThrow(
    `stage a left it with digest ${digestOf(rows).sha256}, found ${digestOf(`${rows}${rows}`).sha256}`,
  );
  await writeFile(join(artefactPath(moved.directory, 'a', 'weights'), 'model.safetensors'), 'others');
  await expect(takeArtefact(moved, 'a', 'weights')).rejects.toThrow('stage a left it with digest');
  await expect(takeArtefact(moved, 'b', 'rows')).rejects.toThrow('stage b left no rows in this run');
});
