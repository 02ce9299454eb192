import { execFile } from 'node:child_process';
import { readdir } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';
import { temporaryDirectory } from '#platform/files/directory-under-test.ts';
import { exportModel } from '#weights/model-directory.ts';

const root = resolve(import.meta.dirname, '../..');
const nano = join(root, 'policies/nano');

const script = `
import sys, torch
from transformers import AutoModelForCausalLM, AutoTokenizer
from gradus_learner.models.load import load_policy
model = AutoModelForCausalLM.from_pretrained(sys.argv[1])
tokenizer = AutoTokenizer.from_pretrained(sys.argv[1])
ids = tokenizer("Who founded it?", return_tensors="pt").input_ids
policy = load_policy(sys.argv[1], "cpu")
with torch.no_grad():
    ours = policy(ids)
    theirs = model(ids).logits
print(float((ours - theirs).abs().max()), tokenizer.eos_token_id == model.config.eos_token_id, ids.shape[1])
`;

it('a model that is exported loads in transformers, tokenizer and all, with the logits that it has here', async () => {
  const directory = await temporaryDirectory('gradus-export-');
  const to = join(directory, 'final');
  // Twice: what stands there is replaced.
  await exportModel(nano, nano, to);
  await exportModel(nano, nano, to);
  expect((await readdir(directory)).toSorted()).toEqual(['final']);
  expect((await readdir(to)).toSorted()).toEqual([
    'chat_template.jinja',
    'config.json',
    'model.safetensors',
    'tokenizer.json',
    'tokenizer_config.json',
  ]);
  const { stdout } = await promisify(execFile)(join(root, '.venv/bin/python'), ['-c', script, to], {
    env: { ...process.env, PYTHONPATH: join(root, 'services/learner') + ':' + join(root, 'proto/gen/python') },
  });
  const [difference, sameEnd, tokens] = stdout.trim().split(' ');
  expect(Number(difference)).toBeLessThan(1e-3);
  expect(sameEnd).toBe('True');
  expect(Number(tokens)).toBeGreaterThan(2);
}, 240_000);
