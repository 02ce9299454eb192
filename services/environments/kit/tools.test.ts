import { expect, test } from 'vitest';
import { z } from 'zod';
import { callTool, defineTool } from './tools.ts';

const tools = [
  defineTool({
    name: 'double',
    about: 'Doubles.',
    args: z.strictObject({ n: z.number() }),
    run: ({ n }) => ({ text: `${2 * n}` }),
  }),
  defineTool({
    name: 'broken',
    about: 'Throws.',
    args: z.strictObject({}),
    run: () => {
      throw new Error('out of order');
    },
  }),
];

test('whoever plays is told of each call that ran, whether it gave something or threw, and of none that did not run', async () => {
  const ended: string[] = [];
  const toolEnded = (tool: string, elapsedMs: number): void => {
    expect(elapsedMs).toBeGreaterThanOrEqual(0);
    ended.push(tool);
  };
  const io = { signal: new AbortController().signal, toolTimeoutMs: 60_000, toolEnded };
  expect(await callTool(tools, { name: 'double', args: { n: 2 } }, io)).toEqual({
    kind: 'result',
    result: { text: '4' },
  });
  await expect(callTool(tools, { name: 'broken', args: {} }, io)).rejects.toThrow('out of order');
  expect(await callTool(tools, { name: 'double', args: { n: 'two' } }, io)).toMatchObject({ code: 'bad_arguments' });
  expect(await callTool(tools, { name: 'unknown', args: {} }, io)).toMatchObject({ code: 'unknown_tool' });
  expect(ended).toEqual(['double', 'broken']);
});
