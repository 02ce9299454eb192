import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { loadTokenizer } from './tokenizer.ts';

const root = join(import.meta.dirname, '../..');
const fixture = join(root, 'tests/fixtures/tokenizer/tokenizer.json');
const golden = z
  .array(z.object({ text: z.string(), ids: z.array(z.int()) }))
  .parse(JSON.parse(readFileSync(join(root, 'tests/fixtures/tokenizer/golden.json'), 'utf8')));
const python = join(root, '.venv/bin/python');
const nano = join(root, 'policies/nano/tokenizer.json');

describe('tokenizer', () => {
  it.each(golden)('P4: gives the ids that Python gives for $text', async ({ text, ids }) => {
    expect((await loadTokenizer(fixture)).encode(text)).toEqual(ids);
  });

  it.runIf(existsSync(python) && existsSync(nano))(
    "P4: gives the ids that Python gives with the nano policy's tokenizer",
    async () => {
      const texts = [
        ...golden.map(({ text }) => text),
        ...readFileSync(join(import.meta.dirname, '../policy/README.md'), 'utf8').split('\n'),
      ];
      const script =
        'import json,sys; from tokenizers import Tokenizer as T; t=T.from_file(sys.argv[1]); print(json.dumps([t.encode(x,add_special_tokens=False).ids for x in json.load(sys.stdin)]))';
      const expected: unknown = JSON.parse(
        execFileSync(python, ['-c', script, nano], { input: JSON.stringify(texts), encoding: 'utf8' }),
      );
      const tokenizer = await loadTokenizer(nano);
      expect(texts.map((text) => tokenizer.encode(text))).toEqual(expected);
    },
  );

  it('names its file by SHA-256, as sha256sum prints it', async () => {
    expect((await loadTokenizer(fixture)).hash).toBe(
      execFileSync('sha256sum', [fixture], { encoding: 'utf8' }).slice(0, 64),
    );
  });

  it('names the file that is missing or is not a tokenizer', async () => {
    await expect(loadTokenizer('/nowhere/tokenizer.json')).rejects.toThrow(
      /cannot read \/nowhere\/tokenizer\.json; give the path/,
    );
    const broken = join(await mkdtemp(join(tmpdir(), 'gradus-tokenizer-')), 'tokenizer.json');
    await writeFile(broken, '{"version": "1.0"}');
    await expect(loadTokenizer(broken)).rejects.toThrow(/is not a Hugging Face tokenizer\.json/);
    await writeFile(broken, '{');
    await expect(loadTokenizer(broken)).rejects.toThrow(/is not a Hugging Face tokenizer\.json/);
  });

  it('P6: refuses a text over its bound with the size', async () => {
    const tokenizer = await loadTokenizer(fixture);
    expect(() => tokenizer.encode('a'.repeat(1024 * 1024 + 1))).toThrow(/text has 1048577 bytes; at most 1048576/);
  });
});
