import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, expect, test } from 'vitest';
import { createFileWriter } from '../index/file-writer.ts';
import { createRecordReader, createRecordWriter } from './record-file.ts';

const directory = mkdtempSync(join(tmpdir(), 'gradus-records-'));
afterAll(() => rmSync(directory, { recursive: true }));

test('every string of every record comes back to the unit, whole and in parts', () => {
  const text = fc.oneof(
    fc.string({ unit: 'grapheme' }),
    fc.string({ unit: 'binary' }),
    fc.string({ minLength: 3_000, maxLength: 10_000 }),
    // Halves of surrogate pairs are no characters, and yet strings hold them.
    fc.array(fc.constantFrom('\ud83d', '\ude00', 'é', 'x', '東')).map((units) => units.join('')),
  );
  let run = 0;
  fc.assert(
    fc.property(fc.array(fc.tuple(text, text, text), { maxLength: 8 }), fc.nat(), fc.nat(), (records, one, other) => {
      const paths = [join(directory, `records-${run}`), join(directory, `offsets-${run}`)] as const;
      run += 1;
      const [file, offsets] = [createFileWriter(paths[0]), createFileWriter(paths[1])];
      const writer = createRecordWriter(file, offsets);
      for (const record of records) writer.append(record);
      writer.finish();
      file.finish();
      offsets.finish();
      const bytes = readFileSync(paths[1]);
      const descriptor = openSync(paths[0], 'r');
      const reader = createRecordReader({
        descriptor,
        offsets: new Float64Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length)),
        strings: 3,
      });
      records.forEach((record, at) => {
        expect(reader.read(at)).toEqual(record);
        record.forEach((string, field) => {
          const [from = 0, to = 0] = [one % (string.length + 2), other % (string.length + 2)].toSorted((a, b) => a - b);
          expect(reader.length(at, field)).toBe(string.length);
          expect(reader.slice(at, field, from, to)).toBe(string.slice(from, to));
          expect(reader.slice(at, field, 0, Infinity)).toBe(string);
        });
      });
      closeSync(descriptor);
    }),
  );
});
