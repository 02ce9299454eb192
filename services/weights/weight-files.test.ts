import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeEach, expect, test } from 'vitest';
import { weightFileProblems, weightIndexName } from './weight-files.ts';
import { temporaryDirectory } from '#platform/files/directory-under-test.ts';

const shards = ['model-00001-of-00002.safetensors', 'model-00002-of-00002.safetensors'] as const;
let directory: string;

beforeEach(async () => {
  directory = await temporaryDirectory('gradus-weights-');
});

/** One tensor of four bytes. */
function weights(): Buffer {
  const header = Buffer.from(
    JSON.stringify({ __metadata__: { format: 'pt' }, a: { dtype: 'F32', shape: [1], data_offsets: [0, 4] } }),
  );
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(header.length));
  return Buffer.concat([length, header, Buffer.alloc(4)]);
}

async function write(...names: readonly string[]): Promise<void> {
  for (const name of names) await writeFile(join(directory, name), weights());
}

async function writeIndex(places: unknown): Promise<void> {
  await writeFile(join(directory, weightIndexName), JSON.stringify({ metadata: {}, weight_map: places }));
}

test('one file, and shards with their index, are weights', async () => {
  await write('model.safetensors');
  expect(await weightFileProblems(directory)).toEqual([]);
  await rm(join(directory, 'model.safetensors'));
  await write(...shards);
  await writeIndex({ 'a.weight': shards[0], 'b.weight': shards[1], 'c.weight': shards[1] });
  expect(await weightFileProblems(directory)).toEqual([]);
});

test('without weights it says what may be there', async () => {
  const expected = [`${join(directory, 'model.safetensors')} or ${weightIndexName} is missing`];
  expect(await weightFileProblems(directory)).toEqual(expected);
  expect(await weightFileProblems(join(directory, 'absent'))).toEqual([
    `${join(directory, 'absent', 'model.safetensors')} or ${weightIndexName} is missing`,
  ]);
});

test('a shard that is missing and a file that the index does not name are both reported', async () => {
  await write(shards[0], 'model.safetensors');
  await writeIndex({ 'a.weight': shards[0], 'b.weight': shards[1] });
  expect(await weightFileProblems(directory)).toEqual([
    `${join(directory, shards[1])} is missing`,
    `${join(directory, 'model.safetensors')} is not named by ${weightIndexName}; move it away`,
  ]);
});

test.each([{}, undefined, { 'a.weight': '../model.safetensors' }, { 'a.weight': 'model/../x.safetensors' }, { a: 1 }])(
  'an index that names no files next to it is refused: %j',
  async (places) => {
    await write('model.safetensors');
    await writeIndex(places);
    expect(await weightFileProblems(directory)).toEqual([expect.stringContaining('is not an index of weights')]);
  },
);

test('a file that is shorter or longer than its header says, or has none, is reported for each', async () => {
  const whole = weights();
  const [cut, noHeader] = shards;
  await writeFile(join(directory, cut), whole.subarray(0, -1));
  await writeFile(join(directory, noHeader), whole.subarray(0, 20));
  await writeIndex({ 'a.weight': cut, 'b.weight': noHeader });
  expect(await weightFileProblems(directory)).toEqual([
    `${join(directory, cut)}: has ${whole.length - 1} bytes, and its header says ${whole.length}; it was cut: copy it anew`,
    `${join(directory, noHeader)}: is not a safetensors file, or was cut; copy it anew`,
  ]);
  await writeFile(join(directory, cut), Buffer.concat([whole, Buffer.alloc(1)]));
  await writeFile(join(directory, noHeader), '');
  expect(await weightFileProblems(directory)).toEqual([
    `${join(directory, cut)}: has ${whole.length + 1} bytes, and its header says ${whole.length}; copy it anew`,
    `${join(directory, noHeader)}: is not a safetensors file, or was cut; copy it anew`,
  ]);
});
