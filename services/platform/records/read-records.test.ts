import fc from 'fast-check';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { temporaryDirectory } from '../files/directory-under-test.ts';
import { repositoryRoot } from '../repository.ts';
import type { FileRecord, ReadRecordsOptions } from './file-record.ts';
import { readRecords } from './read-records.ts';

async function written(name: string, bytes: string | Uint8Array): Promise<string> {
  const path = join(await temporaryDirectory('gradus-records-'), name);
  await writeFile(path, bytes);
  return path;
}

async function readAll(path: string, options: ReadRecordsOptions = {}): Promise<FileRecord[]> {
  const records: FileRecord[] = [];
  for await (const record of readRecords(path, options)) records.push(record);
  return records;
}

const valuesOf = async (name: string, bytes: string | Uint8Array): Promise<unknown[]> =>
  (await readAll(await written(name, bytes))).map(({ value }) => value);

/** What is thrown, without the folder. */
async function problemOf(name: string, bytes: string | Uint8Array): Promise<string> {
  const path = await written(name, bytes);
  const error: unknown = await readAll(path).then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  expect(error).toMatchObject({ name: 'TerminalError', code: 'invalid_argument' });
  return String(Object(error).message).replaceAll(path, 'FILE');
}

describe('CSV', () => {
  test('has cells in quotes with delimiters, line ends and doubled quotes; blank cells and blank lines are nothing', async () => {
    const path = await written('a.csv', '\uFEFFid,text\r\n"x, ""y""","1\r\n2"\r\n\r\nz,\r\n"",a');
    expect(await readAll(path)).toEqual([
      { value: { id: 'x, "y"', text: '1\r\n2' }, place: `${path}:2`, number: 2, columns: ['id', 'text'] },
      { value: { id: 'z' }, place: `${path}:5`, number: 5, columns: ['id', 'text'] },
      { value: { text: 'a' }, place: `${path}:6`, number: 6, columns: ['id', 'text'] },
    ]);
  });

  test('may be divided by semicolons or tabs, as its header shows, and in .tsv by tabs alone', async () => {
    expect(await valuesOf('a.csv', 'id;text\n1;"a;b,c"\n')).toEqual([{ id: '1', text: 'a;b,c' }]);
    expect(await valuesOf('a.csv', 'id\ttext\n1\tb,c\n')).toEqual([{ id: '1', text: 'b,c' }]);
    expect(await valuesOf('a.tsv', 'id\ttext, long\n1\tb\n')).toEqual([{ id: '1', 'text, long': 'b' }]);
    expect(await valuesOf('A.CSV', '"a;b",c\n1,2\n')).toEqual([{ 'a;b': '1', c: '2' }]);
  });

  test('without a name for a column, as pandas writes an index, has it by its number', async () => {
    expect(await valuesOf('a.csv', ',text\n0,a\n')).toEqual([{ 'column 1': '0', text: 'a' }]);
  });

  test('keeps names that objects have', async () => {
    const [value] = await valuesOf('a.csv', '__proto__,constructor\n1,2\n');
    expect(Object.entries(Object(value))).toEqual([
      ['__proto__', '1'],
      ['constructor', '2'],
    ]);
  });

  test.each([
    [
      'a row with a field too many',
      'a,b\n1,2\n1,2,3\n',
      'FILE:3: has 3 fields, and the header has 2 (a, b); quote a field',
    ],
    ['a row that is short', 'a,b\n1\n', 'FILE:2: has 1 fields, and the header has 2 (a, b); fill it up'],
    ['a column twice', 'a,b,a\n', 'FILE:1: column "a" is there twice; give every column a name of its own'],
    ['a quote that stays open', 'a,b\n1,"2\n3,4\n', 'FILE:2: a quote is not closed, or stands within a field'],
    ['a quote within a field', 'a,b\n1,5" wide\n2,x" y\n', 'FILE:2: a quote is not closed, or stands within a field'],
    ['Latin-1', Buffer.from('a,b\n1,2\nOrl\u00e9ans,3\n', 'latin1'), 'FILE:3: not valid UTF-8; save the file as UTF-8'],
    ['UTF-16', Buffer.from('\uFEFFa,b\n1,2\n', 'utf16le'), 'FILE: is UTF-16; save the file as UTF-8'],
    ['line ends of CR', 'a,b\r1,2\r', 'FILE:1: lines end in CR alone'],
    ['a cell without an end', `a\n"${'x'.repeat(17 * 2 ** 20)}\n`, 'FILE:2: longer than 16777216 bytes; a quote'],
  ])('with %s is refused by line', async (_, bytes, message) => {
    expect(await problemOf('rows.csv', bytes)).toContain(message);
  });

  test('without its bad rows is read where that is asked for; under a bad header there is nothing', async () => {
    const bad: number[] = [];
    const onBadRecord = (_: unknown, line: number): void => void bad.push(line);
    const path = await written('a.csv', 'a,b\n1,2,3\n1,"\n"x\n4,5\n');
    expect((await readAll(path, { onBadRecord })).map(({ value }) => value)).toEqual([{ a: '4', b: '5' }]);
    expect(bad).toEqual([2, 3]);
    await expect(readAll(await written('b.csv', 'a,a\n1,2\n'), { onBadRecord })).rejects.toThrow('twice');
  });

  test('comes back as it was written, wherever its bytes are cut', async () => {
    const cell = fc.string({ unit: 'binary', maxLength: 12 }).map((text) => text.replaceAll('\uFEFF', ''));
    const rows = fc.array(fc.tuple(cell, cell), { minLength: 1, maxLength: 6 });
    const { csvRecords } = await import('./csv-records.ts');
    const quoted = (text: string): string => `"${text.replaceAll('"', '""')}"`;
    await fc.assert(
      fc.asyncProperty(rows, fc.integer({ min: 1, max: 9 }), async (given, size) => {
        const bytes = Buffer.from(`a,b\n${given.map((row) => `${row.map(quoted).join(',')}\n`).join('')}`);
        async function* chunks(): AsyncGenerator<Buffer> {
          for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
        }
        const read: unknown[] = [];
        for await (const { value } of csvRecords('f', chunks(), [','])) read.push(Object.entries(Object(value)));
        const named = given.map(([a, b]) =>
          [
            ['a', a],
            ['b', b],
          ].filter(([, text]) => text !== ''),
        );
        expect(read).toEqual(named);
      }),
      { numRuns: 40 },
    );
  });
});

describe('compressed files', () => {
  const text = Array.from({ length: 3000 }, (_, id) => `{"id":${id}}\n`).join('');

  test.each([
    ['rows.jsonl.gz', gzipSync(text)],
    ['rows.jsonl', gzipSync(text)],
    ['rows.jsonl.zst', zstdCompressSync(text)],
    ['two-parts.gz', Buffer.concat([gzipSync(text.slice(0, 8)), gzipSync(text.slice(8))])],
    ['array.json.gz', gzipSync(`[${text.trim().replaceAll('\n', ',')}]`)],
    ['rows.csv.gz', gzipSync(`id\n${Array.from({ length: 3000 }, (_, id) => `${id}\n`).join('')}`)],
    ['rows.tsv.zst', zstdCompressSync(`id\n${Array.from({ length: 3000 }, (_, id) => `${id}\n`).join('')}`)],
  ])('are known by their bytes: %s', async (name, bytes) => {
    const values = await valuesOf(name, bytes);
    expect(values).toHaveLength(3000);
    expect(String(Object(values.at(-1)).id)).toBe('2999');
  });

  test('say the line of the text that they hold', async () => {
    expect(await problemOf('rows.jsonl.gz', gzipSync('{}\n{\n'))).toMatch(/^FILE:2: not valid JSON/);
  });

  test('that are cut off or damaged are refused', async () => {
    const whole = gzipSync(text);
    expect(await problemOf('a.gz', whole.subarray(0, 200))).toMatch(/^FILE: gzip data is damaged or cut off \(.*fetch/);
    const zstd = zstdCompressSync(text);
    expect(await problemOf('a.zst', zstd.subarray(0, 40))).toMatch(/^FILE: zstd data is damaged or cut off/);
    whole[60] = 255 - (whole[60] ?? 0);
    expect(await problemOf('a.gz', whole)).toMatch(/^FILE: gzip data is damaged or cut off/);
  });

  test('show all bytes on disk to those who hash them', async () => {
    const bytes = gzipSync(text);
    const seen: Uint8Array[] = [];
    await readAll(await written('a.gz', bytes), { onBytes: (chunk) => void seen.push(chunk) });
    expect(Buffer.concat(seen).equals(bytes)).toBe(true);
  });
});

test.each([
  ['rows.xlsx', 'PK\x03\x04', 'is a ZIP archive or a workbook'],
  ['rows.bz2', 'BZh9', 'is compressed with bzip2'],
  ['rows.parquet', 'version https://git-lfs.github.com/spec/v1\n', 'is a pointer of Git LFS'],
  ['rows.parquet', '{"id":1}\n', 'is not Parquet'],
  ['rows.arrow', 'ARROW1', 'is an Arrow file'],
])('%s that begins with %j is refused with what to do', async (name, text, message) => {
  expect(await problemOf(name, text)).toContain(`FILE: ${message}`);
});

test('reading stops when its signal aborts, and a file that is not there is named', async () => {
  const path = await written('a.csv', 'a\n1\n');
  await expect(readAll(path, { signal: AbortSignal.abort() })).rejects.toMatchObject({ name: 'CancelledError' });
  await expect(readAll(`${path}.absent`)).rejects.toThrow(`${path}.absent: there is no such file`);
});

describe('Parquet that pyarrow wrote', () => {
  const file = (name: string): string => join(repositoryRoot, 'tests/fixtures/parquet', `${name}.parquet`);
  const columns = ['id', 'question', 'golden_answers', 'level', 'score', 'seen', 'big', 'facts', 'image'];
  const useful = columns.filter((column) => column !== 'image');

  test.each(['none', 'snappy', 'gzip', 'brotli', 'zstd'])('gives its rows as JSON: %s', async (codec) => {
    const path = file(`rows-${codec}`);
    const records = await readAll(path, { columns: useful });
    expect(records.map(({ value }) => value)).toEqual([
      {
        id: 7,
        question: 'Who founded Arrakeen Works?',
        golden_answers: ['Ann'],
        level: 'easy',
        score: 0.5,
        seen: '1970-01-01T00:00:00.000Z',
        big: '1152921504606846976',
        facts: { titles: ['A', 'B'] },
      },
      expect.objectContaining({ id: 8, question: "Où est né l'auteur?", seen: '1970-01-02T00:00:00.000Z', big: 1 }),
      expect.objectContaining({ golden_answers: ['1954', 'in 1954'], facts: { titles: [], note: 'n' } }),
      expect.objectContaining({ id: 10, score: 2.5 }),
      {
        id: 11,
        question: 'How far?',
        golden_answers: ['12.5'],
        level: 'easy',
        score: -1,
        big: 4,
        seen: expect.any(String),
      },
    ]);
    expect(Object.keys(Object(records[1]?.value))).not.toContain('level');
    expect(records.at(-1)).toMatchObject({ place: `${path}: row 4`, number: 4, columns });
  });

  test('is refused where a column that is read holds bytes, and not where it is left out', async () => {
    await expect(readAll(file('rows-none'), { columns: ['id', 'image'] })).rejects.toThrow(
      'rows-none.parquet: row 0: image: not valid UTF-8',
    );
    expect(await readAll(file('rows-none'), { columns: ['no such column'] })).toHaveLength(5);
  });

  test('is refused where its codec is not known, where it is cut off, and where it is damaged', async () => {
    await expect(readAll(file('rows-lz4'))).rejects.toThrow(
      /row group 0: column id is compressed with LZ4\w*; write it with snappy, zstd or gzip/,
    );
    const bytes = await readFile(file('rows-zstd'));
    expect(await problemOf('a.parquet', bytes.subarray(0, 3000))).toContain('FILE: does not end as Parquet does');
    const damaged = Buffer.from(bytes).fill(0xff, 20, 400);
    expect(await problemOf('a.parquet', damaged)).toMatch(/^FILE: rows 0 to 3 cannot be read \(.*; it is damaged/);
    const noFooter = Buffer.concat([Buffer.from('PAR1'), Buffer.alloc(64, 0xff), Buffer.from('PAR1')]);
    expect(await problemOf('a.parquet', noFooter)).toMatch(/^FILE: cannot be read/);
  });

  test('shows all bytes of the file to those who hash them', async () => {
    const seen: Uint8Array[] = [];
    await readAll(file('corpus'), { onBytes: (chunk) => void seen.push(chunk) });
    expect(Buffer.concat(seen).equals(await readFile(file('corpus')))).toBe(true);
  });
});
