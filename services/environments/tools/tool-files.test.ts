import { describe, expect, test } from 'vitest';
import { openTools, startEpisode, userFile } from './tools-under-test.ts';

const calculator = `
import { tools, z } from 'gradus/tools';

export default tools({
  add: {
    description: 'Adds two numbers.',
    input: z.strictObject({ a: z.number(), b: z.number() }),
    run: ({ a, b }) => String(a + b),
  },
  root: {
    description: 'The square root.',
    input: z.strictObject({ of: z.number().refine((of) => of >= 0, 'must not be negative') }),
    run: ({ of }) => (of > 1e6 ? { error: 'too large for me' } : { root: Math.sqrt(of) }),
  },
  divide: {
    description: 'Divides.',
    input: z.strictObject({ a: z.number(), b: z.number() }),
    run({ a, b }) {
      console.log('dividing');
      process.stdout.write('no newline');
      if (b === 0) throw new RangeError('nobody divides by zero');
      return a / b;
    },
  },
  nothing: { description: 'Forgets to return.', input: z.strictObject({}), run: () => undefined as unknown as string },
  hang: {
    description: 'Waits until nobody waits for it.',
    input: z.strictObject({}),
    run: (_args, { signal }) =>
      new Promise((resolve) => signal.addEventListener('abort', () => resolve((aborted += 1) && 'late'))),
  },
  aborted: { description: 'Calls that were given up.', input: z.strictObject({}), run: () => aborted },
});
let aborted = 0;
`;

const result = (text: string): object => ({ kind: 'continue', text: `<result> ${text} </result>` });
const open = async (text: string) => await openTools({ files: [{ path: userFile('calculator.ts', text) }] });

describe('tools of a TypeScript file', () => {
  test('are listed with their schemas and called with what their schemas parse', async () => {
    const { episode, call } = await startEpisode(await open(calculator));
    expect(episode.prompt()).toContain(
      '{"name":"add","description":"Adds two numbers.","parameters":{"type":"object","properties":{"a":{"type":"number"},"b":{"type":"number"}},"required":["a","b"],"additionalProperties":false}}',
    );
    expect(await call('add', { a: 2, b: 3 })).toMatchObject(result('5'));
    expect(await call('root', { of: 16 })).toMatchObject(result('{"root":4}'));
    expect(await call('divide', { a: 6, b: 4 })).toMatchObject(result('1.5'));
    expect(await call('add', { a: 2 })).toMatchObject({ action: { kind: 'violation', code: 'bad_arguments' } });
  });

  test('fail a call by giving an error, or by what only their own schema refuses', async () => {
    const { call } = await startEpisode(await open(calculator));
    expect(await call('root', { of: 1e9 })).toMatchObject({
      ...result('error: too large for me'),
      action: { kind: 'tool_call', error: 'too large for me' },
    });
    expect(await call('root', { of: -1 })).toMatchObject({
      action: { kind: 'tool_call', error: expect.stringContaining('must not be negative') },
    });
  });

  test('P2: that throw are a fault of the file, named with its line, and neither a result nor a reward', async () => {
    const { call } = await startEpisode(await open(calculator));
    await expect(call('divide', { a: 1, b: 0 })).rejects.toMatchObject({
      name: 'UserCodeError',
      message: expect.stringMatching(/^tool divide threw RangeError: nobody divides by zero$/),
      file: expect.stringMatching(/calculator\.ts$/),
      line: 21,
    });
    await expect(call('nothing')).rejects.toThrow(/it gave undefined, which is neither text nor JSON/);
    expect(await call('add', { a: 1, b: 1 })).toMatchObject(result('2'));
  });

  test('hear when nobody waits for them any more', async () => {
    const environment = await open(calculator);
    const { call } = await startEpisode(environment, { toolTimeoutMs: 200 });
    const patient = await startEpisode(environment);
    await patient.call('aborted');
    await expect(call('hang')).rejects.toThrow('hang: no result within 200 ms');
    await expect.poll(async () => await patient.call('aborted')).toMatchObject(result('1'));
  });

  test.each([
    ['cannot be read', 'export default 1 +', 'SyntaxError'],
    ['needs a package that is missing', `import 'no-such-package-anywhere';`, 'no-such-package-anywhere'],
    ['has no default export', 'export const tools = {};', 'it has no default export'],
    ['throws as it is loaded', 'const none: any = undefined;\nnone.x;', 'TypeError: .* at \\/.*:2:'],
    ['has no tools', 'export default {};', 'its default export has no tools'],
    [
      'has a tool without schema',
      `export default { x: { description: 'X.', run: () => 1 } };`,
      'its input is not a schema',
    ],
  ])('of a file that %s are refused with its last words', async (_what, text, words) => {
    await expect(startEpisode(await open(text))).rejects.toMatchObject({
      name: 'UserCodeError',
      message: expect.stringMatching(
        new RegExp(`server 'calculator' could not be used: it ended with exit code 1; on stderr: .*${words}[^\n]*$`),
      ),
    });
  });
});
