/** A service like ours, for the tests of the entry shape: it can be slow, and it can fail. */
import { z } from 'zod';

import { RetrievalService } from '#proto/retrieval/v1/retrieval_service_pb.ts';
import { sleep } from '#platform/async/sleep.ts';
import { TerminalError } from '#platform/errors.ts';
import { createGrpcServer } from '#platform/grpc/server.ts';
import { baseConfig } from '#platform/runtime/config.ts';
import { runService } from '#platform/runtime/run-service.ts';

await runService({
  name: 'sample',
  config: baseConfig.extend({
    apiKey: z.string().default('hunter2'),
    fault: z.enum(['none', 'start', 'later', 'stray', 'drain']).default('none'),
  }),
  async start(config, ctx) {
    if (config.fault === 'start') throw new TerminalError('not_found', "corpus 'none.jsonl' does not exist");
    const server = createGrpcServer(ctx);
    server.add(RetrievalService, {
      // As many milliseconds as hits are asked for.
      search: async ({ topK }, { signal }) => {
        ctx.log.info('searching');
        await sleep(topK, signal);
        return { indexVersion: 'done' };
      },
      fetch: async () => ({}),
      describe: async () => ({}),
      reload: async () => ({}),
    });
    const grpc = await server.listen(config.grpc);
    if (config.fault === 'drain') ctx.defer('what hangs', () => new Promise(() => {}));
    ctx.defer('gRPC server', () => server.drain(config.drainMs));
    if (config.fault === 'later') setTimeout(() => ctx.fail(new Error('the index is gone')), 50);
    if (config.fault === 'stray') setTimeout(() => void Promise.reject(new Error('nobody awaits this')), 50);
    return { grpc };
  },
});
