import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';
import { createMcpHandler, McpServer } from '@modelcontextprotocol/server';
import { describe, expect, onTestFinished, test } from 'vitest';
import { z } from 'zod';
import { FailureClass } from '#proto/rollout/v1/result_pb.ts';
import { checkTrajectory } from '#trajectory/check-trajectory.ts';
import { stdioServer, userFile } from '../../services/environments/tools/tools-under-test.ts';
import { lastingPort } from '../fixtures/lasting-port.ts';
import { startHttpApi } from '../retrieval/http-api.ts';
import { useRolloutFleet } from './fleet.ts';
import { taskOf } from './task.ts';

const start = useRolloutFleet();
const call = (name: string, args: object = {}): string => `<tool>${JSON.stringify({ name, args })}</tool>`;
const limits = {
  contextTokens: 1024,
  maxTurns: 8,
  toolTimeoutMs: 20_000,
  turnTimeoutMs: 60_000,
  rolloutTimeoutMs: 120_000,
};

function toolTask(taskId: string, options: object, more: Parameters<typeof taskOf>[1] = {}) {
  return taskOf(taskId, {
    environment: 'tools',
    environmentOptionsJson: JSON.stringify({ prompt_template: '{question}', ...options }),
    limits,
    ...more,
  });
}

const script =
  (...turns: readonly string[]) =>
  ({ turn }: { readonly turn: number }): string =>
    turns[turn] ?? turns.at(-1) ?? '';

/** An MCP server over HTTP whose one tool answers with so many bytes. */
async function letterServer(port = 0) {
  const handler = createMcpHandler(() => {
    const mcp = new McpServer({ name: 'letters', version: '1.0.0' });
    const inputSchema = z.strictObject({ bytes: z.int() });
    mcp.registerTool('letters', { description: 'Much text.', inputSchema }, ({ bytes }) => ({
      content: [{ type: 'text', text: 'x'.repeat(bytes) }],
    }));
    return mcp;
  });
  const http = createServer((request, response) => {
    void (async () => {
      const answer = await handler.fetch(
        new Request(`http://127.0.0.1${request.url}`, {
          method: request.method ?? 'GET',
          headers: Object.entries(request.headers).map(([name, value]): [string, string] => [name, String(value)]),
          ...(request.method === 'POST' && { body: await buffer(request) }),
        }),
      );
      response.writeHead(answer.status, Object.fromEntries(answer.headers));
      response.end(await answer.text());
    })();
  });
  await new Promise<void>((done) => http.listen(port, '127.0.0.1', done));
  onTestFinished(() => void http.close());
  // A server that listens on TCP.
  return { url: `http://127.0.0.1:${(http.address() as AddressInfo).port}/mcp` };
}

describe('a worker plays the environment tools', () => {
  test('with a server over stdio, one over HTTP and a file, and the rollout is scored', async () => {
    const api = await startHttpApi();
    const file = userFile(
      'words.ts',
      `import { tools, z } from 'gradus/tools';
       export default tools({
         shout: { description: 'Shouts.', input: z.strictObject({ text: z.string() }), run: ({ text }) => text.toUpperCase() },
       });`,
    );
    const fleet = await start({
      script: script(
        call('add', { a: 2, b: 3 }),
        call('websearch', { query: 'capital of Estmark Dell', k: 1 }),
        call('shout', { text: 'Verland Coast' }),
        call('add', { a: 'two', b: 3 }),
        call('refuse'),
        '<answer> Verland Coast </answer>',
      ),
    });
    const servers = [stdioServer('shop'), { name: 'search', url: `${api.url}/mcp` }];
    await fleet.publish(toolTask('mixed', { servers, files: [{ path: file }] }));
    const result = await fleet.resultOf('mixed');
    expect(result).toMatchObject({
      failure: FailureClass.UNSPECIFIED,
      prediction: 'Verland Coast',
      turns: 6,
      toolCalls: 5,
      toolFailures: 2,
      components: { exact_match: 1, tool_success: 3 / 5 },
    });
    const trajectory = await fleet.trajectoryOf(result);
    checkTrajectory(trajectory);
    const texts = trajectory.segments.map(({ text }) => text);
    expect(texts[0]).toBe('What is the country of the birthplace of Halvard Brontley?');
    expect(texts[2]).toBe('<result> 5 </result>');
    expect(texts[4]).toContain('Estmark Dell is a country. Its capital is Norwick Vale.');
    expect(texts[6]).toBe('<result> VERLAND COAST </result>');
  });

  test('P2: a tool of a file that throws is user code: said with file and line, and not tried again', async () => {
    const text = `export default {
      fail: { description: 'Throws.', input: (await import('zod')).z.strictObject({}), run() {
        throw new RangeError('nobody divides by zero');
      } },
    };`;
    const file = userFile('broken.ts', text);
    const fleet = await start({ script: script(call('fail')), worker: { maxDeliveries: 5, retries: 5 } });
    await fleet.publish(toolTask('throws', { files: [{ path: file }] }));
    const result = await fleet.resultOf('throws');
    expect(result).toMatchObject({ failure: FailureClass.USER_ENVIRONMENT, components: {}, trajectorySequence: 0n });
    expect(result.failureDetail).toContain('tool fail threw RangeError: nobody divides by zero');
    expect(result.failureDetail).toContain(`${file}:3`);
    expect(fleet.engine.generated).toHaveLength(1);
  });

  test('P2: a server that dies is an absence once it was tried again, never a 0', async () => {
    const fleet = await start({
      script: script(call('visit'), call('die')),
      worker: { maxDeliveries: 2, retries: 1, retryDelayMs: 10 },
    });
    await fleet.publish(toolTask('frail', { servers: [stdioServer('shop', [], { session: 'per_episode' })] }));
    const result = await fleet.resultOf('frail');
    expect(result).toMatchObject({ failure: FailureClass.TOOL_UNAVAILABLE, trajectorySequence: 0n, components: {} });
    expect(result.reward).toBeUndefined();
    expect(result.failureDetail).toContain("server 'shop'");
    // Each delivery began with a session of its own.
    expect(fleet.engine.generated.filter(({ turn }) => turn === 0)).toHaveLength(2);
  });

  test('P2, P10: a server over HTTP that is not there is an absence, and is used as soon as it is', async () => {
    const port = await lastingPort();
    const options = { servers: [{ name: 'letters', url: `http://127.0.0.1:${port}/mcp` }] };
    const fleet = await start({
      script: script(call('letters', { bytes: 3 }), '<answer> Verland Coast </answer>'),
      worker: { maxDeliveries: 1, retries: 1, retryDelayMs: 10 },
    });
    await fleet.publish(toolTask('early', options));
    const early = await fleet.resultOf('early');
    expect(early).toMatchObject({ failure: FailureClass.TOOL_UNAVAILABLE, components: {} });
    expect(early.failureDetail).toMatch(/server 'letters' could not be used: .*ECONNREFUSED/);
    await letterServer(port);
    await fleet.publish(toolTask('later', options));
    expect(await fleet.resultOf('later')).toMatchObject({
      failure: FailureClass.UNSPECIFIED,
      components: { exact_match: 1 },
    });
  });

  test('P6: ten megabytes over HTTP are cut to what a policy may read, and refused beyond max_message_mebibytes', async () => {
    const { url } = await letterServer();
    const fleet = await start({
      script: script(call('letters', { bytes: 10 * 2 ** 20 }), '<answer> Verland Coast </answer>'),
      worker: { maxDeliveries: 1, retries: 0 },
    });
    const servers = [{ name: 'letters', url }];
    await fleet.publish(toolTask('cut', { servers, max_result_characters: 100 }));
    const cut = await fleet.resultOf('cut');
    expect((await fleet.trajectoryOf(cut)).segments[2]?.text).toBe(
      `<result> ${'x'.repeat(100)} [cut: 100 of 10485760 characters] </result>`,
    );
    await fleet.publish(toolTask('refused', { servers, max_message_mebibytes: 1 }));
    const refused = await fleet.resultOf('refused');
    expect(refused).toMatchObject({ failure: FailureClass.TOOL_UNAVAILABLE, components: {} });
    expect(refused.failureDetail).toContain('it sent a message of more than max_message_mebibytes (1)');
  });

  test('P9: a server that lists a thousand tools is said with the options that help, not retried', async () => {
    const fleet = await start({ script: script(call('tool_7'), '<answer> x </answer>') });
    await fleet.publish(toolTask('many', { servers: [stdioServer('big', ['many', '1000'])] }));
    const result = await fleet.resultOf('many');
    expect(result).toMatchObject({ failure: FailureClass.USER_ENVIRONMENT, components: {} });
    expect(result.failureDetail).toContain('there are 1000 tools (big: 1000), and at most max_tools (64) may be');
    expect(fleet.engine.generated).toEqual([]);
    const allowed = { servers: [stdioServer('big', ['many', '1000'])], allow: ['tool_7'] };
    await fleet.publish(toolTask('allowed', allowed));
    expect(await fleet.resultOf('allowed')).toMatchObject({ failure: FailureClass.UNSPECIFIED, toolFailures: 0 });
  });

  test('P2, P3: a server that answers after the deadline is an absence, and its answers are nobody else’s', async () => {
    const fleet = await start({
      script: ({ sessionId, turn }) =>
        turn > 0 ? '<answer> x </answer>' : sessionId === 'late' ? call('wait', { ms: 3_000 }) : call('visit'),
      worker: { maxDeliveries: 1, retries: 1, retryDelayMs: 10 },
    });
    const options = { servers: [stdioServer('slow')] };
    await fleet.publish(toolTask('first', options));
    expect(await fleet.resultOf('first')).toMatchObject({ failure: FailureClass.UNSPECIFIED });
    await fleet.publish(toolTask('late', options, { limits: { ...limits, toolTimeoutMs: 700 } }));
    const result = await fleet.resultOf('late');
    expect(result).toMatchObject({ failure: FailureClass.TOOL_UNAVAILABLE, components: {} });
    expect(result.failureDetail).toContain('wait: no result within 700 ms');
    await fleet.publish(toolTask('after', options));
    const after = await fleet.resultOf('after');
    expect((await fleet.trajectoryOf(after)).segments[2]?.text).toMatch(/^<result> visit \d <\/result>$/);
  });

  test('P9: a command that does not exist is said, not retried', async () => {
    const fleet = await start({ script: script('<answer> x </answer>'), worker: { maxDeliveries: 5, retries: 5 } });
    await fleet.publish(toolTask('none', { servers: [{ name: 'none', command: ['no-such-program'] }] }));
    const result = await fleet.resultOf('none');
    expect(result.failure).toBe(FailureClass.USER_ENVIRONMENT);
    expect(result.failureDetail).toContain("server 'none': there is no program 'no-such-program' in PATH");
    expect(result.components).toEqual({});
    expect(fleet.engine.generated).toEqual([]);
  });
});
