import { execFile, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { readFile, readdir, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { temporaryDirectory } from '#platform/files/directory-under-test.ts';
import { lastingPort } from '../fixtures/lasting-port.ts';

const run = promisify(execFile);
const root = resolve(import.meta.dirname, '../..');
const gradus = join(root, 'services/cli/bin/gradus');
const nano = join(root, 'policies/nano');
const python = join(root, '.venv/bin/python');
const ggufPython = join(root, '.build/gguf/bin/python');
const server = join(root, '.build/gguf/bin/llama-server-vulkan');
const skipped = existsSync(server) ? '' : " (skipped: no .build/gguf here; 'make gguf' makes it)";

const exported = (...args: readonly string[]) => run(gradus, ['export', 'model', ...args]);

test('a directory of Hugging Face with a longer context is loaded by transformers, which stretches positions as YaRN does', async () => {
  const out = join(await temporaryDirectory('gradus-export-'), 'long');
  await exported(nano, '--to', 'huggingface', '--out', out, '--context', '8192');
  expect((await readdir(out)).toSorted()).toEqual([
    'chat_template.jinja',
    'config.json',
    'model.safetensors',
    'tokenizer.json',
    'tokenizer_config.json',
  ]);
  const script = `
import sys
from transformers import AutoModelForCausalLM, AutoTokenizer
model, tokenizer = AutoModelForCausalLM.from_pretrained(sys.argv[1]), AutoTokenizer.from_pretrained(sys.argv[1])
rope = model.config.rope_parameters
print(rope["rope_type"], rope["factor"], model.config.max_position_embeddings, len(tokenizer("Where?").input_ids) > 0)`;
  const { stdout } = await run(python, ['-c', script, out]);
  expect(stdout.trim()).toBe('yarn 4 8192 True');
});

test.each([
  ['something is there already', [nano, '--to', 'gguf', '--out', nano], /--out: \S+nano is there already; remove it/],
  ['no model', ['nothing', '--to', 'gguf', '--out', 'x.gguf'], /'nothing' is no model directory and no run/],
  [
    'a Python without the package',
    [nano, '--to', 'gguf', '--out', 'x.gguf', '--python', python],
    /does not have the package gguf; install it/,
  ],
  [
    'no longer context',
    [nano, '--to', 'huggingface', '--out', 'x', '--context', '100'],
    /--context 100: it must be more than the 2048 positions/,
  ],
])('%s is named with what to do', async (_case, args, message) => {
  const refused: unknown = expect.stringMatching(message);
  await expect(exported(...args)).rejects.toMatchObject({ stderr: refused });
  expect(existsSync('x.gguf')).toBe(false);
});

const greedySchema = z.object({
  prompt: z.array(z.int()),
  forbidden: z.array(z.int()),
  added: z.array(z.int()),
  logprobs: z.array(z.number()),
});
const completionSchema = z.object({
  tokens: z.array(z.int()),
  completion_probabilities: z.array(z.object({ logprob: z.number() })),
});

/** What llama.cpp's server adds to a prompt of ids greedily. */
async function completed(file: string, { prompt, forbidden, added }: z.infer<typeof greedySchema>) {
  const port = await lastingPort();
  const child = spawn(
    server,
    ['-m', file, '--host', '127.0.0.1', '--port', `${port}`, '-c', '512', '--parallel', '1', '--no-webui'],
    { stdio: 'ignore' },
  );
  const ended = new Promise((done) => child.once('close', done));
  try {
    await expect
      .poll(async () => (await fetch(`http://127.0.0.1:${port}/health`).catch(() => undefined))?.ok, {
        timeout: 120_000,
        interval: 100,
      })
      .toBe(true);
    const answer = await fetch(`http://127.0.0.1:${port}/completion`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({
        prompt,
        n_predict: added.length,
        temperature: 0,
        return_tokens: true,
        n_probs: 1,
        logit_bias: forbidden.map((id) => [id, false]),
      }),
    });
    return completionSchema.parse(await answer.json());
  } finally {
    child.kill();
    await ended;
  }
}

describe.skipIf(skipped !== '')(`GGUF that llama.cpp loads${skipped}`, () => {
  test('every family and rotary embedding: the tokens that transformers adds greedily, with their log-probabilities', async () => {
    const directory = await temporaryDirectory('gradus-gguf-');
    await run(python, [join(root, 'tests/fixtures/gguf/tiny_models.py'), nano, directory]);
    const models = (await readdir(directory)).toSorted();
    expect(models).toHaveLength(12);
    for (const model of models) {
      const out = join(directory, `${model}.gguf`);
      const args = ['--to', 'gguf', '--out', out, '--precision', 'f32', '--python', ggufPython];
      if (model === 'qwen2-llama3' || model === 'qwen3-llama3') {
        const refused: unknown = expect.stringMatching(
          /rope_type 'llama3' of 'qwen\d'; llama.cpp reads it of 'llama' alone/,
        );
        await expect(exported(join(directory, model), ...args)).rejects.toMatchObject({ stderr: refused });
        expect(existsSync(out)).toBe(false);
        continue;
      }
      await exported(join(directory, model), ...args);
      const greedy = greedySchema.parse(JSON.parse(await readFile(join(directory, model, 'greedy.json'), 'utf8')));
      const { tokens, completion_probabilities: scores } = await completed(out, greedy);
      expect(tokens, model).toEqual(greedy.added);
      // Its matrices are multiplied in parts of eight bits on a CPU: digits beyond the second differ.
      for (const [index, { logprob }] of scores.entries())
        expect(Math.abs(logprob - (greedy.logprobs[index] ?? Infinity)), `${model}, token ${index}`).toBeLessThan(0.05);
    }
  });

  test('a context that is stretched, and numbers of 16 bits', async () => {
    const directory = await temporaryDirectory('gradus-gguf-');
    const file = join(directory, 'long.gguf');
    await exported(
      nano,
      '--to',
      'gguf',
      '--out',
      file,
      '--context',
      '8192',
      '--precision',
      'bf16',
      '--python',
      ggufPython,
    );
    const script = `
import sys
from gguf import GGUFReader
fields = GGUFReader(sys.argv[1]).fields
for name in ("context_length", "rope.scaling.type", "rope.scaling.factor", "rope.scaling.original_context_length"):
    print(fields["qwen3." + name].contents())`;
    const { stdout } = await run(ggufPython, ['-c', script, file]);
    expect(stdout.trim().split('\n')).toEqual(['8192', 'yarn', '4.0', '2048']);
  });

  test('a tokenizer that GGUF has no place for is refused by name, and nothing is left behind', async () => {
    const directory = await temporaryDirectory('gradus-gguf-');
    await run('cp', ['-r', `${nano}/.`, directory]);
    await writeFile(join(directory, 'tokenizer.json'), '{"model": {"type": "Unigram"}}');
    const out = join(directory, 'x.gguf');
    const refused: unknown = expect.stringMatching(/tokenizer of type 'Unigram'; only BPE/);
    await expect(exported(directory, '--to', 'gguf', '--out', out, '--python', ggufPython)).rejects.toMatchObject({
      stderr: refused,
    });
    expect((await readdir(directory)).filter((name) => name.startsWith('x.gguf'))).toEqual([]);
  });
});
