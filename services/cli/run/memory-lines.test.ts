import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { temporaryDirectory } from '#platform/files/directory-under-test.ts';
import { repositoryRoot } from '#platform/repository.ts';
import { formatMemory, memoryOf } from './memory-lines.ts';
import { loadRecipe } from './prepare-inputs.ts';

/** Qwen3-4B, by its published config.json. */
const config = {
  model_type: 'qwen3',
  vocab_size: 151_936,
  hidden_size: 2560,
  intermediate_size: 9728,
  num_hidden_layers: 36,
  num_attention_heads: 32,
  num_key_value_heads: 8,
  head_dim: 128,
  max_position_embeddings: 40_960,
  tie_word_embeddings: true,
};

/** What the recipe would ask for without the two settings that make it fit. */
const everythingKept = ['fleet.learner.precision=float32', 'fleet.learner.activation_checkpointing=false'];

async function janNano(...set: string[]) {
  const model = await temporaryDirectory();
  await writeFile(join(model, 'config.json'), JSON.stringify(config));
  const { recipe } = await loadRecipe(join(repositoryRoot, 'recipes/jan-nano.yaml'), set);
  const { plan, notes, problems } = await memoryOf(recipe, model);
  if (plan === undefined) throw new Error(notes.join('; '));
  return { lines: formatMemory(plan), notes, problems, plan };
}

test('memory is shown by device and part, and for several numbers of GPUs', async () => {
  const { lines, notes, problems, plan } = await janNano();
  expect(lines).toEqual([
    'memory for 4,022,468,096 parameters in float32:',
    '  cuda:0: learner 75.7 GiB = weights 15 + gradients 15 + adam states 30 + rounded weights 0.912 + activations 12.7 + logits 2.2',
    expect.stringMatching(
      /^ {2}cuda:1, .*, cuda:6: engine 138 GiB = weights 16\.4 \+ one long sequence 90 \+ next version 31\.4; up to 2,854 GiB = keys and values 2,790 \+ prefix cache 64 more$/,
    ),
    '  the fullest GPU: 903 of 1, 827 of 2, 276 of 4, 138 of 8 (GiB; the learner on the first, engines on the others)',
  ]);
  expect(plan.devices).toHaveLength(7);
  expect(notes).toEqual([
    'the memory of cuda:0, cuda:1, cuda:2, cuda:3, cuda:4, cuda:5, cuda:6 is not known; state fleet.gpu_memory_gib to have it checked',
  ]);
  expect(problems).toEqual([]);
});

test('what cannot fit into the GPUs of the recipe is refused with the arithmetic and what would fit', async () => {
  const size = 'fleet.gpu_memory_gib=139';
  expect((await janNano(size)).problems).toEqual([]);
  const { problems, notes } = await janNano(size, ...everythingKept);
  expect(problems).toEqual([
    'fleet: cuda:0 needs 440 GiB: learner 440 GiB = weights 15 + gradients 15 + adam states 30 + activations 378 + logits 2.2; it has 139 GiB; a pass may have 8326 tokens at most: lower fleet.learner.micro_batch_tokens and the context_tokens of stages',
  ]);
  expect(notes).toEqual([
    expect.stringMatching(/cuda:6 has 139 GiB, and 10,485,760 tokens of running requests .* may take 2,992: lower/),
  ]);
  const limits = 'stages.2.limits={ context_tokens: 8192, max_new_tokens: 2048 }';
  const short = [...everythingKept, 'fleet.learner.micro_batch_tokens=8192', limits];
  expect((await janNano(size, ...short)).problems).toEqual([]);
  const bounded = ['fleet.engine.kv_tokens=40960', 'fleet.engine.cache_mebibytes=512'];
  expect((await janNano(size, ...short, ...bounded)).notes).toEqual([]);
  const [batch] = (await janNano(size, ...short, 'fleet.learner.micro_batch_tokens=16384')).problems;
  expect(batch).toMatch(/lower fleet\.learner\.micro_batch_tokens to 8326 or less$/);
});

test('learner and engine on one GPU are added, and a reference is a second copy', async () => {
  const set = ['fleet.engines=1', 'fleet.engine.device=cuda:0', 'fleet.gpu_memory_gib=139'];
  const { problems, lines } = await janNano(...set, 'stages.0.algorithm.kl_coefficient=0.01');
  expect(lines[1]).toContain('adam states 30 + rounded weights 0.912 + reference 7.49 + activations');
  expect(problems).toEqual([
    expect.stringMatching(/^fleet: cuda:0 needs 221 GiB: learner .* and engine .*; it has 139 GiB; place learner and/),
  ]);
});

test('each rank of a learner has weights and moments of its own, on its device or next to the others', async () => {
  const placed = await janNano('fleet.learner.ranks=2', 'fleet.learner.device=["cuda:0", "cuda:7"]');
  expect(placed.lines[1]).toMatch(/^ {2}cuda:0, cuda:7: learner 75\.7 GiB = weights 15/);
  const together = await janNano('fleet.learner.ranks=2', 'fleet.learner.device=cpu');
  expect(together.lines).toContainEqual(expect.stringMatching(/^ {2}cpu: 2 ranks of the learner, each 75\.7 GiB/));
});

test('frozen weights have neither gradients nor moments, and several ranks take the first GPUs', async () => {
  const { lines } = await janNano('model.lora.rank=16', 'fleet.learner.ranks=2', 'fleet.learner.device=cuda');
  expect(lines[0]).toBe('memory for 4,022,468,096 parameters, frozen next to adapters that are trained:');
  // 2 bytes for each parameter and 4 for each of 33,030,144 of adapters; then 4 and 8 for each of these.
  expect(lines).toContainEqual(
    expect.stringMatching(
      /^ {2}cuda:0: learner .* = weights 7\.62 \+ gradients 0\.123 \+ adam states 0\.246 \+ activations/,
    ),
  );
  expect(lines.at(-1)).toMatch(/the learner on the first 2, engines on the others/);
});

test('on the CPU it is the memory of the machine that counts', async () => {
  const onCpu = ['fleet.engines=1', 'fleet.engine.device=cpu', 'fleet.learner.device=cpu'];
  const { problems } = await janNano(...onCpu, 'fleet.learner.micro_batch_tokens=16777216');
  expect(problems).toEqual([expect.stringMatching(/^fleet: cpu needs [\d,]+ GiB: .*; it has [\d.,]+ GiB; /)]);
});
