import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { copyFile, mkdir, mkdtemp, readFile, readdir, rm } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { buildTimeoutMs, tinyEncoders } from '../../../tests/fixtures/tiny-encoders/tiny-encoders.ts';
import type { DownloadProgress } from './download-model.ts';
import { openEncoder } from './encoder.ts';
import { findModel } from './find-model.ts';
import { hubSettingsFrom, type HubSettings } from './hub-settings.ts';
import { hashWeights } from './weights-hash.ts';

const commit = '0123456789abcdef0123456789abcdef01234567';

/** What the hub answers, for one model with the files of a directory. */
interface HubAnswers {
  readonly token?: string;
  readonly without?: readonly string[];
  /** Ends the weights' answer before their end. */
  readonly truncate?: boolean;
  /** Gives other bytes than the listing says. */
  readonly corrupt?: boolean;
}

/** Speaks the part of the hub's HTTP interface that a download uses; the model is served from `directory`. */
async function startHub(
  directory: string,
  answers: HubAnswers,
): Promise<{ url: string; asked: string[]; server: Server }> {
  const asked: string[] = [];
  const names = (await readdir(directory, { recursive: true, withFileTypes: true }))
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(directory.length + 1))
    .filter((name) => answers.without?.includes(name) !== true);

  const json = (response: ServerResponse, status: number, body: unknown): void => {
    response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
  };
  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = decodeURIComponent(new URL(request.url ?? '', 'http://hub').pathname);
    asked.push(`${request.method} ${path}`);
    if (answers.token !== undefined && request.headers.authorization !== `Bearer ${answers.token}`) {
      json(response, 401, { error: 'Invalid credentials' });
    } else if (path === '/api/models/tiny/encoder/revision/main') {
      json(response, 200, { _id: '1', id: 'tiny/encoder', sha: commit, siblings: [] });
    } else if (path === `/api/models/tiny/encoder/paths-info/${commit}`) {
      const chunks: Buffer[] = [];
      for await (const chunk of request) chunks.push(chunk as Buffer);
      const { paths } = JSON.parse(Buffer.concat(chunks).toString()) as { paths: string[] };
      const infos = paths
        .filter((name) => names.includes(name))
        .map(async (name) => {
          const content = await readFile(join(directory, name));
          const oid = createHash('sha256').update(content).digest('hex');
          const large = name.endsWith('.onnx') ? { lfs: { oid, size: content.length, pointerSize: 130 } } : {};
          return { path: name, type: 'file', oid: oid.slice(0, 40), size: content.length, ...large };
        });
      json(response, 200, await Promise.all(infos));
    } else if (path.startsWith(`/tiny/encoder/resolve/${commit}/`)) {
      const name = path.split(`${commit}/`)[1] ?? '';
      const content = await readFile(join(directory, name));
      const range = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? '');
      const weights = name.endsWith('.onnx') && range === null;
      if (weights && answers.corrupt === true) content.fill(7);
      const [start, end] = range === null ? [0, content.length] : [Number(range[1]), Number(range[2]) + 1];
      const part = content.subarray(start, end);
      response.writeHead(range === null ? 200 : 206, {
        etag: '"1"',
        'content-length': part.length,
        ...(range === null ? {} : { 'content-range': `bytes ${start}-${end - 1}/${content.length}` }),
      });
      if (weights && answers.truncate === true) {
        response.write(part.subarray(0, 1000), () => response.destroy());
      } else {
        response.end(part);
      }
    } else {
      json(response, 404, { error: 'Repository not found' });
    }
  }

  const server = createServer((request, response) => void answer(request, response));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('the server has no port');
  return { url: `http://127.0.0.1:${address.port}`, asked, server };
}

let model: string;
let scratch: string;
const servers: Server[] = [];
beforeAll(async () => {
  model = (await tinyEncoders()).encoder;
}, 2 * buildTimeoutMs);
beforeEach(async () => {
  scratch = await mkdtemp(join(tmpdir(), 'gradus-hub-'));
});
afterEach(async () => {
  for (const server of servers.splice(0)) {
    server.closeAllConnections();
    server.close();
  }
  await rm(scratch, { recursive: true });
});

async function hubWith(answers: HubAnswers = {}): Promise<{ hub: HubSettings; asked: string[] }> {
  const { url, asked, server } = await startHub(model, answers);
  servers.push(server);
  return { hub: { cacheDirectory: join(scratch, 'cache'), url, token: undefined, offline: false }, asked };
}

/** Files in the cache, without folders. */
const cached = async (): Promise<string[]> =>
  existsSync(join(scratch, 'cache'))
    ? (await readdir(join(scratch, 'cache'), { recursive: true, withFileTypes: true }))
        .filter((entry) => entry.isFile())
        .map(({ name }) => name)
    : [];

describe('findModel in a directory', () => {
  it('finds the weights where exporters put them, or where the setting says', async () => {
    const hub = hubSettingsFrom({});
    expect((await findModel(model, { hub })).weightsPath).toBe(join(model, 'onnx/model.onnx'));
    const flat = join(scratch, 'flat');
    await mkdir(flat);
    for (const name of ['tokenizer.json', 'config.json']) await copyFile(join(model, name), join(flat, name));
    await copyFile(join(model, 'onnx/model.onnx'), join(flat, 'model_int8.onnx'));
    expect((await findModel(`${flat}:model_int8.onnx`, { hub })).weightsPath).toBe(join(flat, 'model_int8.onnx'));
    await expect(findModel(flat, { hub })).rejects.toMatchObject({
      code: 'failed_precondition',
      message: expect.stringContaining(`onnx/model.onnx or model.onnx not found in ${flat}`) as string,
    });
  });

  it('says what is missing where there is no such directory, and what a name must look like', async () => {
    const hub = hubSettingsFrom({});
    await expect(findModel('./nowhere', { hub })).rejects.toThrow(
      /onnx\/model\.onnx or model\.onnx, tokenizer\.json, config\.json not found in \.\/nowhere; put them there/,
    );
    for (const name of ['', 'x', 'a/b/c', 'a b/c', 'a/..', 'a/b@', 'a/b:x', 'a/b:../x.onnx']) {
      await expect(findModel(name, { hub })).rejects.toMatchObject({ code: 'invalid_argument' });
    }
  });
});

describe('findModel on a hub', () => {
  it('downloads a model that works, reports how far it is, and asks the hub nothing the next time', async () => {
    const { hub, asked } = await hubWith({ token: 'secret' });
    const steps: DownloadProgress[] = [];
    const withToken = { ...hub, token: 'secret' };
    const files = await findModel('tiny/encoder', { hub: withToken, onProgress: (step) => steps.push(step) });
    expect(files.id).toBe('tiny/encoder');
    expect(await hashWeights(files)).toBe(await hashWeights(await findModel(model, { hub })));
    const last = steps.at(-1);
    expect(last?.doneBytes).toBe(last?.totalBytes);
    const requests = asked.length;
    const encoder = await openEncoder('tiny/encoder', { hub: { ...hub, offline: true }, threads: 1 });
    expect(encoder.settings.queryPrefix).toBe('query: ');
    await encoder.dispose();
    expect(asked).toHaveLength(requests);
    expect((await findModel(`tiny/encoder@${commit}`, { hub: { ...hub, offline: true } })).id).toBe(
      `tiny/encoder@${commit}`,
    );
  });

  it('downloads nothing when asked to stay offline, and says where it looked', async () => {
    const { hub, asked } = await hubWith();
    const offline = { ...hub, offline: true };
    await expect(findModel('tiny/encoder', { hub: offline })).rejects.toMatchObject({
      code: 'failed_precondition',
      message: expect.stringMatching(/nothing is in the cache .*cache, and HF_HUB_OFFLINE forbids/) as string,
    });
    expect(asked).toEqual([]);
  });

  it.each([
    ['an unknown name', 'tiny/nothing', {}, /HTTP status 404\); check the name and the revision/],
    ['an unknown revision', 'tiny/encoder@v9', {}, /HTTP status 404/],
    [
      'no token where one is needed',
      'tiny/encoder',
      { token: 'x' },
      /HTTP status 401\); check the name, or set HF_TOKEN/,
    ],
    [
      'a model without ONNX',
      'tiny/encoder',
      { without: ['onnx/model.onnx'] },
      /without onnx\/model\.onnx or model\.onnx/,
    ],
    ['a model without a tokenizer', 'tiny/encoder', { without: ['tokenizer.json'] }, /without tokenizer\.json/],
    ['an answer that ends too early', 'tiny/encoder', { truncate: true }, /does not give it \(.*\); try again/],
    ['other bytes than promised', 'tiny/encoder', { corrupt: true }, /onnx\/model\.onnx has SHA-256 .*, what came has/],
  ])('says so and leaves nothing half done after %s', async (_, name, answers, message) => {
    const { hub } = await hubWith(answers);
    await expect(findModel(name, { hub })).rejects.toMatchObject({
      code: 'failed_precondition',
      message: expect.stringMatching(message) as string,
    });
    expect((await cached()).filter((file) => file.endsWith('.incomplete') || file.endsWith('.onnx'))).toEqual([]);
  });

  it('names the hub that cannot be reached', async () => {
    const { hub } = await hubWith();
    for (const server of servers.splice(0)) await new Promise((resolve) => server.close(resolve));
    await expect(findModel('tiny/encoder', { hub })).rejects.toThrow(
      /not in the cache .*, and the hub http:\/\/127\.0\.0\.1:\d+ does not give it \(fetch failed: .*ECONNREFUSED/,
    );
  });

  it('stops when the signal aborts, before or in a file, and leaves no part of one', async () => {
    const { hub } = await hubWith();
    await expect(findModel('tiny/encoder', { hub, signal: AbortSignal.abort() })).rejects.toMatchObject({
      code: 'cancelled',
    });
    const stopping = new AbortController();
    const onProgress = (): void => stopping.abort();
    await expect(findModel('tiny/encoder', { hub, signal: stopping.signal, onProgress })).rejects.toMatchObject({
      code: 'cancelled',
    });
    expect((await cached()).filter((file) => file.endsWith('.incomplete'))).toEqual([]);
  });
});

describe('hub settings', () => {
  it('are read from the variables that Hugging Face libraries share', () => {
    expect(
      hubSettingsFrom({ HF_HOME: '/h', HF_ENDPOINT: 'http://mirror/', HF_TOKEN: '', HF_HUB_OFFLINE: 'True' }),
    ).toEqual({
      cacheDirectory: '/h/hub',
      url: 'http://mirror',
      token: undefined,
      offline: true,
    });
    expect(hubSettingsFrom({ HF_HUB_CACHE: '/c', HF_TOKEN: 't' })).toMatchObject({ cacheDirectory: '/c', token: 't' });
    expect(hubSettingsFrom({ XDG_CACHE_HOME: '/x' })).toMatchObject({
      cacheDirectory: '/x/huggingface/hub',
      offline: false,
    });
  });
});
