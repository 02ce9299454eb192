import { mkdir, mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { readAllMusique } from '#questions/musique/read-musique.ts';
import { writeWorld } from './write-world.ts';

let root = '';
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'gradus-world-'));
});
afterAll(() => rm(root, { recursive: true, force: true }));

const files = ['corpus.jsonl', 'held_out.jsonl', 'train.jsonl', 'world.json'];
const read = (dir: string): Promise<string[]> => Promise.all(files.map((name) => readFile(join(dir, name), 'utf8')));

test('P8: the same options give the same bytes', async () => {
  await writeWorld({ seed: 3, train: 40, heldOut: 20 }, join(root, 'a'));
  await writeWorld({ seed: 3, train: 40, heldOut: 20 }, join(root, 'b'));
  expect(await read(join(root, 'a'))).toEqual(await read(join(root, 'b')));
  expect((await readdir(join(root, 'a'))).sort()).toEqual(files);
});

test('what is written is read back by the strict reader', async () => {
  const { train, pages } = await writeWorld({ seed: 4, train: 25, heldOut: 5 }, join(root, 'c'));
  const rows = await readAllMusique(train);
  expect(rows).toHaveLength(25);
  expect(pages).toBe(600);
  expect((await readFile(join(root, 'c', 'corpus.jsonl'), 'utf8')).trim().split('\n')).toHaveLength(600);
});

test('a world that is there is replaced as a whole, and nothing else stays behind', async () => {
  await writeWorld({ seed: 5, train: 30, heldOut: 5 }, join(root, 'd', 'deep'));
  await writeWorld({ seed: 6, train: 31, heldOut: 5 }, join(root, 'd', 'deep'));
  const world: unknown = JSON.parse(await readFile(join(root, 'd', 'deep', 'world.json'), 'utf8'));
  expect(world).toMatchObject({ seed: 6, train: 31 });
  expect(await readdir(join(root, 'd'))).toEqual(['deep']);
});

test('a world that could be replaced only in part is no longer said to be whole', async () => {
  const dir = join(root, 'torn');
  await writeWorld({ seed: 5, train: 30, heldOut: 5 }, dir);
  await rm(join(dir, 'train.jsonl'));
  await mkdir(join(dir, 'train.jsonl'));
  await expect(writeWorld({ seed: 6, train: 30, heldOut: 5 }, dir)).rejects.toThrow(`${dir} cannot hold a world`);
  expect(await readdir(dir)).not.toContain('world.json');
});

test('a bad option or an impossible place is an error that leaves nothing', async () => {
  await expect(writeWorld({ seed: 1, train: 0, heldOut: 5 }, join(root, 'e'))).rejects.toThrow(/train: .*\(got 0\)/);
  await writeFile(join(root, 'file'), '');
  await expect(writeWorld({ seed: 1, train: 5, heldOut: 5 }, join(root, 'file'))).rejects.toThrow(
    /file cannot hold a world: .*choose another folder/,
  );
  await expect(writeWorld({ seed: 1, train: 5, heldOut: 5 }, join(root, 'file', 'below'))).rejects.toThrow(
    /below cannot hold a world/,
  );
  expect((await readdir(root)).filter((name) => name.startsWith('.'))).toEqual([]);
});
