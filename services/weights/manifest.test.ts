import { execFileSync } from 'node:child_process';
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { checkWeights, digestOf, manifestJson, manifestName, readManifest, weightsDigest } from './manifest.ts';
import { temporaryDirectory } from '#platform/files/directory-under-test.ts';

const files = { 'config.json': '{}\n', 'model-1.safetensors': 'one', 'model-2.safetensors': 'two' };

async function versionDirectory(): Promise<string> {
  const directory = await temporaryDirectory('gradus-weights-');
  const digests = Object.fromEntries(Object.entries(files).map(([name, content]) => [name, digestOf(content)]));
  for (const [name, content] of Object.entries(files)) await writeFile(join(directory, name), content);
  await writeFile(
    join(directory, manifestName),
    manifestJson({ kind: 'version', runId: 'r', step: 3, files: digests }),
  );
  return directory;
}

describe('the manifest of a directory of weights', () => {
  it('gives the digest that sha256sum gives, and agrees with what was asked for', async () => {
    const directory = await versionDirectory();
    const manifest = await readManifest(directory);
    const digest = weightsDigest(manifest?.files ?? {});
    const printed = execFileSync('sh', ['-c', 'sha256sum model*.safetensors | sha256sum'], { cwd: directory });
    expect(printed.toString().slice(0, 64)).toBe(digest);
    expect(await checkWeights(directory, '')).toBe(digest);
    expect(await checkWeights(directory, digest)).toBe(digest);
    await expect(checkWeights(directory, '0'.repeat(64))).rejects.toThrow(
      `expected weights with digest ${'0'.repeat(64)}, found ${digest}`,
    );
  });

  it('names the file that is not what was written, what was expected and what was found', async () => {
    const directory = await versionDirectory();
    const path = join(directory, 'model-1.safetensors');
    await writeFile(path, 'onf');
    await expect(checkWeights(directory, '')).rejects.toThrow(
      `${path}: expected SHA-256 ${digestOf('one').sha256}, found ${digestOf('onf').sha256}`,
    );
    await writeFile(path, 'on');
    await expect(checkWeights(directory, '')).rejects.toThrow(`${path}: expected 3 bytes, found 2`);
    await rm(path);
    await expect(checkWeights(directory, '')).rejects.toThrow(path);
  });

  it('does not take weights that it does not list for part of the model', async () => {
    const directory = await versionDirectory();
    await writeFile(join(directory, 'model-3.safetensors'), 'three');
    await expect(checkWeights(directory, '')).rejects.toThrow('model-3.safetensors: not in the manifest');
  });

  it('is refused when it is cut, and missed by nobody where there is none', async () => {
    const directory = await versionDirectory();
    await writeFile(join(directory, manifestName), '{"format": "gradus');
    await expect(checkWeights(directory, '')).rejects.toThrow('manifest.json is cut or damaged');
    await rm(join(directory, manifestName));
    expect(await checkWeights(directory, '')).toHaveLength(64);
    await expect(checkWeights(join(directory, 'absent'), '')).rejects.toThrow('cannot be read');
  });
});
