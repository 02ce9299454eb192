import { spawn } from 'node:child_process';
import { mkdir, mkdtemp, readFile, readdir, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { z } from 'zod';
import { TerminalError, errorFrom } from '#platform/errors.ts';
import { isThere } from '#platform/files/is-there.ts';
import { pythonPath, repositoryRoot } from '#platform/repository.ts';
import { finalModel } from '#run/directory/places.ts';
import { copyWeights, writeModel } from '#weights/model-directory.ts';
import { exitCodes } from '../exit-codes.ts';
import { stretchContext } from '../export/stretch-context.ts';
import { formatSize } from '../terminal/format.ts';
import type { Terminal } from '../terminal/terminal.ts';

export interface ExportModelOptions {
  readonly home: string;
  readonly to: 'huggingface' | 'gguf';
  readonly out: string;
  readonly precision: 'f32' | 'f16' | 'bf16';
  readonly context?: number;
  readonly python: string;
}

/** Writes a policy whole or not at all. */
export async function exportModelCommand(
  model: string,
  { home, to, out, precision, context, python }: ExportModelOptions,
  terminal: Terminal,
): Promise<number> {
  const from = await directoryOf(model, resolve(home));
  const target = resolve(out);
  if (await isThere(target))
    throw new TerminalError('invalid_argument', `--out: ${target} is there already; remove it, or name another place`);
  await mkdir(dirname(target), { recursive: true });
  const config = context === undefined ? undefined : stretchContext(await readConfig(from), context);
  if (to === 'huggingface') {
    await writeModel(
      async (draft) => {
        await copyWeights(from, draft);
        if (config !== undefined) await writeConfig(draft, config);
      },
      from,
      target,
    );
    terminal.err(`the model is in ${target}`);
    return exitCodes.ok;
  }
  const seen = await mkdtemp(join(tmpdir(), 'gradus-export-'));
  try {
    if (config !== undefined) {
      for (const name of await readdir(from))
        if (name !== 'config.json') await symlink(join(from, name), join(seen, name));
      await writeConfig(seen, config);
    }
    const { tensors, bytes, split } = await writeGguf(python, config === undefined ? from : seen, target, precision);
    terminal.err(`${tensors} tensors, ${formatSize(bytes)} in ${target}`);
    if (split === '')
      terminal.err(
        'llama.cpp has no rule that cuts text as the tokenizer of this model does, and uses that of GPT-2: its tokens of a text may differ. Prompts of token ids are exact.',
      );
  } finally {
    await rm(seen, { recursive: true, force: true });
  }
  return exitCodes.ok;
}

/** A directory with a config.json as it is named, or what a run of this name has left. */
async function directoryOf(model: string, home: string): Promise<string> {
  const places = [resolve(model), finalModel(join(home, model))];
  for (const place of places) if (await isThere(join(place, 'config.json'))) return place;
  throw new TerminalError(
    'not_found',
    `'${model}' is no model directory and no run that has finished: there is no config.json in ${places.join(' or ')}`,
  );
}

async function writeConfig(directory: string, config: Readonly<Record<string, unknown>>): Promise<void> {
  await writeFile(join(directory, 'config.json'), `${JSON.stringify(config, null, 2)}\n`);
}

const configSchema = z.record(z.string(), z.unknown());

async function readConfig(directory: string): Promise<Readonly<Record<string, unknown>>> {
  const path = join(directory, 'config.json');
  try {
    return configSchema.parse(JSON.parse(await readFile(path, 'utf8')));
  } catch (thrown) {
    throw new TerminalError('invalid_argument', `${path}: no JSON of keys and values: ${errorFrom(thrown).message}`);
  }
}

const writtenSchema = z.object({ tensors: z.number(), bytes: z.number(), split: z.string() });
const refused = 2;
const packageMissing = 3;

async function writeGguf(
  python: string,
  directory: string,
  file: string,
  precision: string,
): Promise<z.infer<typeof writtenSchema>> {
  const script = join(repositoryRoot, 'services/cli/export/write_gguf.py');
  const child = spawn(python, [script, directory, file, precision], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, PYTHONPATH: pythonPath },
  });
  let printed = '';
  let said = '';
  child.stdout.on('data', (data: Buffer) => (printed += data.toString()));
  child.stderr.on('data', (data: Buffer) => (said = (said + data.toString()).slice(-20_000)));
  const code = await new Promise<number | NodeJS.Signals | Error>((done) => {
    child.once('error', done);
    child.once('close', (exit, signal) => done(exit ?? signal ?? 'SIGKILL'));
  });
  if (code === 0) return writtenSchema.parse(JSON.parse(printed));
  await rm(`${file}.draft`, { force: true });
  if (code instanceof Error)
    throw new TerminalError(
      'failed_precondition',
      `--python: ${python} cannot be started: ${code.message}; name a Python 3.11 or later`,
    );
  if (code === packageMissing)
    throw new TerminalError(
      'failed_precondition',
      `--to gguf: ${python} does not have the package gguf; install it (${python} -m pip install gguf), or name a Python that has it with --python`,
    );
  throw new TerminalError(
    code === refused ? 'invalid_argument' : 'failed_precondition',
    code === refused ? said.trim() : `no GGUF file was written (${code}): ${said.trim().split('\n').at(-1) ?? ''}`,
  );
}
