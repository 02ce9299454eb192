import { afterEach, expect, it } from 'vitest';
import { engineAddCommand, engineListCommand, engineRemoveCommand } from '../../services/cli/commands/engine.ts';
import { createColours } from '../../services/cli/terminal/colours.ts';
import { textOf, type Terminal } from '../../services/cli/terminal/terminal.ts';
import { engine, gateway, stopAll } from '../../services/policy/gateway-under-test.ts';
import { temporaryDirectory } from '#platform/files/directory-under-test.ts';
import { lastingAddress } from '../fixtures/lasting-port.ts';

afterEach(stopAll);

function terminalOf(out: string[]): Terminal {
  return {
    out: (lines) => void out.push(textOf(lines).replace(/\n$/, '')),
    err: (lines) => void out.push(textOf(lines).replace(/\n$/, '')),
    status: () => {},
    interactive: false,
    columns: 100,
    colours: createColours(false),
  };
}

/** Two gateways in front of one engine. */
async function start() {
  const first = await engine({ serving: { version: 4n, weightsPath: '/w/4' } });
  const gateways = [await gateway([first]), await gateway([first])];
  const out: string[] = [];
  const options = { home: 'runs', policy: gateways.map(({ address }) => address).join(','), json: false };
  return { first, gateways, out, options, terminal: terminalOf(out) };
}

it('an engine is added to every gateway, with the weights that serve, listed, and removed from every one', async () => {
  const { first, gateways, out, options, terminal } = await start();
  const second = await engine();
  expect(await engineAddCommand(second.address, options, terminal)).toBe(0);
  expect(out).toEqual([`${second.address} is up: version 4, tokens, logprobs`]);
  for (const { client } of gateways)
    await expect.poll(async () => (await client.describe({})).engines, { timeout: 60_000 }).toBe(2);

  expect(await engineListCommand({ ...options, json: true }, terminal)).toBe(0);
  expect(JSON.parse(out[1] ?? '')).toMatchObject({
    engines: [{ address: first.address }, { address: second.address }],
  });

  expect(await engineRemoveCommand(first.address, { ...options, drainMs: 1_000 }, terminal)).toBe(0);
  expect(out[2]).toBe(`${first.address} is removed; 1 engine left`);
  for (const { client } of gateways)
    expect((await client.describe({})).engineList).toMatchObject([{ address: second.address }]);
});

it('an engine that is not there is added, and why it is not used is said with exit code 4', async () => {
  const { options, out, terminal } = await start();
  const nothing = await lastingAddress();
  await expect(engineAddCommand(nothing, options, terminal)).rejects.toMatchObject({
    code: 'unavailable',
    message: expect.stringMatching(/is added and not used yet: nothing listens at .*'gradus engine remove/),
  });
  await engineListCommand(options, terminal);
  expect(out.join('\n')).toContain(`${nothing}: nothing listens at ${nothing}`);
});

it('a gateway whose engines have never answered lists them, loses one, and takes one in', async () => {
  const wrong = await lastingAddress();
  const { address, client } = await gateway([]);
  const out: string[] = [];
  const options = { home: 'runs', policy: address, json: false };
  const terminal = terminalOf(out);
  expect(await engineListCommand(options, terminal)).toBe(0);
  expect(out).toEqual(['no engine is known']);

  await expect(engineAddCommand(wrong, options, terminal)).rejects.toThrow(
    `${wrong} is added and not used yet: nothing listens at ${wrong}`,
  );
  expect(await engineListCommand(options, terminal)).toBe(0);
  expect(out.at(-1)).toContain(`${wrong}: nothing listens at ${wrong}`);
  expect(await engineRemoveCommand(wrong, { ...options, drainMs: 0 }, terminal)).toBe(0);
  expect(out).toContain(`${wrong} is removed; 0 engines left`);
  // What engines serve is still not known, and is not told as version 0 of a policy.
  await expect(client.describe({})).rejects.toMatchObject({ code: 'unavailable' });

  const working = await engine();
  expect(await engineAddCommand(working.address, options, terminal)).toBe(0);
  expect(out.at(-1)).toBe(`${working.address} is up: version 0, tokens, logprobs`);
}, 120_000);

it('what cannot be is refused in words', async () => {
  const { options, terminal, first } = await start();
  await expect(engineAddCommand('10.0.0.7:7001', options, terminal)).rejects.toThrow(
    /another machine; .* --insecure-remote/,
  );
  await expect(engineAddCommand('no-port', options, terminal)).rejects.toThrow(
    "address is 'no-port'; it must be host:port",
  );
  await expect(engineRemoveCommand('a:1', { ...options, drainMs: 0 }, terminal)).rejects.toThrow(
    `a:1 is no engine of this fleet; it has ${first.address}`,
  );
  const home = await temporaryDirectory('gradus-engine-');
  await expect(engineListCommand({ home, json: false }, terminal)).rejects.toThrow(/no fleet runs in .*gradus up/);
});
