import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { appendFile, mkdir, open, readFile, readdir, stat, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeEach, describe, expect, test } from 'vitest';
import type { BlobStore } from '#artefacts/blob-store.ts';
import { fetchArtefact, readArtefact } from '#artefacts/fetch-artefact.ts';
import { openStore } from '#artefacts/open-store.ts';
import { putArtefact } from '#artefacts/put-artefact.ts';
import { retainArtefacts } from '#artefacts/retain.ts';
import { artefactKey, blobKey } from '#artefacts/artefact.ts';
import { temporaryDirectory } from '#platform/files/directory-under-test.ts';
import { connectTo, startServer } from '../platform/fixtures.ts';
import { s3Skipped, startS3Server } from './s3-server.ts';

const { signal } = new AbortController();
const keys = { accessKeyId: 'AKIATEST', secretAccessKey: 'of-a-test' };
const stores: readonly { readonly name: string; readonly skipped: string; readonly open: () => Promise<BlobStore> }[] =
  [
    { name: 'a folder', skipped: '', open: async () => await openStore(join(await temporaryDirectory(), 'store')) },
    {
      name: 'S3',
      skipped: s3Skipped,
      open: async () => await openStore(`s3://artefacts/of/gradus?endpoint=${await startS3Server('artefacts')}`, keys),
    },
    {
      name: 'NATS',
      skipped: '',
      open: async () => {
        const { url } = await startServer();
        return await openStore('nats:artefacts', { nats: () => connectTo(url) });
      },
    },
  ];

/** Three files, one of several parts and one that is empty. */
async function folder(large: Uint8Array): Promise<string> {
  const place = await temporaryDirectory();
  await mkdir(join(place, 'deep/er'), { recursive: true });
  await writeFile(join(place, 'model.safetensors'), large);
  await writeFile(join(place, 'deep/er/ä b.json'), '{}\n');
  await writeFile(join(place, 'empty'), '');
  return place;
}

for (const { name, skipped, open: openIt } of stores) {
  describe.skipIf(skipped !== '')(`${name} keeps artefacts${skipped}`, () => {
    let store: BlobStore;
    const large = randomBytes(70 * 1024 * 1024 + 17);
    beforeEach(async () => {
      store = await openIt();
    });

    test('what is fetched is what was put, under the digest that sha256sum gives', async () => {
      const source = await folder(large);
      const { digest, sizeBytes, writtenBytes } = await putArtefact(store, source, {
        kind: 'version',
        runId: 'r',
        signal,
      });
      expect([sizeBytes, writtenBytes]).toEqual([large.length + 3, large.length + 3]);
      const printed = execFileSync('sh', ['-c', "sha256sum 'deep/er/ä b.json' empty model.safetensors | sha256sum"], {
        cwd: source,
      });
      expect(printed.toString().slice(0, 64)).toBe(digest);
      const target = join(await temporaryDirectory(), 'there');
      const { artefact } = await fetchArtefact(store, digest, target, { signal });
      expect(artefact).toMatchObject({ kind: 'version', runId: 'r' });
      expect((await readdir(target)).toSorted()).toEqual(['deep', 'empty', 'model.safetensors']);
      expect((await readFile(join(target, 'model.safetensors'))).equals(large)).toBe(true);
      expect(await readFile(join(target, 'deep/er/ä b.json'), 'utf8')).toBe('{}\n');
      expect((await stat(join(target, 'empty'))).size).toBe(0);
      expect((await fetchArtefact(store, digest, target, { signal })).readBytes).toBe(0);
      expect((await putArtefact(store, source, { kind: 'version', signal })).writtenBytes).toBe(0);
    });

    test('a folder that is there and differs is neither used nor overwritten', async () => {
      const { digest } = await putArtefact(store, await folder(Buffer.from('small')), { kind: 'data', signal });
      const target = await temporaryDirectory();
      await writeFile(join(target, 'mine'), 'mine');
      await expect(fetchArtefact(store, digest, target, { signal })).rejects.toThrow(
        'is there and differs from artefact',
      );
      expect(await readdir(target)).toEqual(['mine']);
    });

    test('a part that is lost, a list that is cut and a digest that nobody put are errors, and no folder appears', async () => {
      const { digest } = await putArtefact(store, await folder(Buffer.from('small')), { kind: 'data', signal });
      const target = join(await temporaryDirectory(), 'there');
      const part = (await readArtefact(store, digest)).files.find(({ path }) => path === 'model.safetensors')?.parts[0];
      await store.remove(blobKey(part ?? ''));
      await expect(fetchArtefact(store, digest, target, { signal })).rejects.toThrow('lost a part of it');
      await store.write(artefactKey(digest), Buffer.from('{"format"'));
      await expect(fetchArtefact(store, digest, target, { signal })).rejects.toThrow('is cut or damaged');
      const unknown = 'a'.repeat(64);
      await expect(fetchArtefact(store, unknown, target, { signal })).rejects.toThrow(`artefact ${unknown}`);
      await expect(stat(target)).rejects.toThrow('ENOENT');
    });

    test('retention removes what nobody keeps and leaves parts that another artefact needs', async () => {
      const kept = await putArtefact(store, await folder(Buffer.from('kept')), { kind: 'version', signal });
      const gone = await putArtefact(store, await folder(Buffer.from('gone')), { kind: 'version', signal });
      const keep = new Set([kept.digest]);
      expect(await retainArtefacts(store, { keep, olderThanMs: 0, signal })).toMatchObject({
        removedArtefacts: 0,
        removedBlobs: 0,
      });
      expect(await retainArtefacts(store, { keep, olderThanMs: Date.now() + 60_000, signal })).toEqual({
        removedArtefacts: 1,
        removedBlobs: 1,
        removedBytes: 4,
      });
      const place = await temporaryDirectory();
      await fetchArtefact(store, kept.digest, join(place, 'kept'), { signal });
      await expect(fetchArtefact(store, gone.digest, join(place, 'gone'), { signal })).rejects.toThrow(
        'does not hold it',
      );
    });

    test.skipIf(name === 'a folder')(
      'a transfer that broke off goes on with the parts that are there, and damage is not among them',
      async () => {
        const source = await folder(large);
        const first = await putArtefact(store, source, { kind: 'version', signal });
        const { files } = await readArtefact(store, first.digest);
        const parts = files.find(({ path }) => path === 'model.safetensors')?.parts ?? [];
        expect(parts.length).toBeGreaterThan(2);
        await store.remove(blobKey(parts[1] ?? ''));
        const target = join(await temporaryDirectory(), 'there');
        await expect(fetchArtefact(store, first.digest, target, { signal, concurrency: 1 })).rejects.toThrow(
          'lost a part',
        );
        expect((await putArtefact(store, source, { kind: 'version', signal })).writtenBytes).toBe(store.partBytes);
        // The first part came over before; one byte of it is another now.
        await using partial = await open(join(`${target}.partial`, 'model.safetensors'), 'r+');
        await partial.write(Buffer.of((large[5] ?? 0) ^ 1), 0, 1, 5);
        const { readBytes } = await fetchArtefact(store, first.digest, target, { signal });
        expect(readBytes).toBe(large.length);
        expect((await readFile(join(target, 'model.safetensors'))).equals(large)).toBe(true);
      },
    );
  });
}

test('a folder keeps final files as hard links, and copies those that their owner may write to', async () => {
  const store = await openStore(join(await temporaryDirectory(), 'store'));
  const source = await folder(Buffer.from('weights'));
  const path = join(source, 'model.safetensors');
  const { digest } = await putArtefact(store, source, { kind: 'version', isFinal: true, signal });
  const target = join(await temporaryDirectory(), 'there');
  await fetchArtefact(store, digest, target, { signal });
  expect((await stat(join(target, 'model.safetensors'))).ino).toBe((await stat(path)).ino);
  const own = await folder(Buffer.from('rows'));
  const input = await putArtefact(store, own, { kind: 'input', signal });
  await appendFile(join(own, 'model.safetensors'), ' and more');
  await fetchArtefact(store, input.digest, join(target, '../input'), { signal });
  expect(await readFile(join(target, '../input/model.safetensors'), 'utf8')).toBe('rows');
});

test('a list from outside cannot lead out of the folder, and links to files are files', async () => {
  const store = await openStore(join(await temporaryDirectory(), 'store'));
  const source = await folder(Buffer.from('weights'));
  await symlink(join(source, 'empty'), join(source, 'link'));
  const { digest } = await putArtefact(store, source, { kind: 'model', signal });
  const artefact = await readArtefact(store, digest);
  expect(artefact.files.map(({ path }) => path)).toContain('link');
  for (const path of ['../out', '/etc/out', 'a/../../out', 'a//b', '.']) {
    const files = artefact.files.map((file, index) => (index === 0 ? { ...file, path } : file));
    await store.write(artefactKey(digest), Buffer.from(JSON.stringify({ ...artefact, files })));
    await expect(readArtefact(store, digest)).rejects.toThrow('cut or damaged');
  }
});

test.each([
  ['relative/path', 'give an absolute path'],
  ['nats:a.b', 'needs a bucket'],
  ['nats:a', 'no connection to NATS'],
  ['s3://bucket/p?endpoint=ftp://x', 'endpoint must be'],
  ['s3://bucket/p', 'AWS_ACCESS_KEY_ID'],
  ['s3://bucket/p?secret=x', 'secret is unknown'],
])('the address %s is refused with what to do', async (address, message) => {
  await expect(openStore(address)).rejects.toThrow(message);
});
