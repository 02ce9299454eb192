import { resolve } from 'node:path';
import { EngineState, EngineStatusSchema, type EngineStatus } from '#proto/policy/v1/policy_pb.ts';
import { PolicyService } from '#proto/policy/v1/policy_service_pb.ts';
import { sleep } from '#platform/async/sleep.ts';
import { TerminalError, TransientError } from '#platform/errors.ts';
import { createGrpcClient, type GrpcClient } from '#platform/grpc/client.ts';
import { openOperator } from '#fleet/credentials-directory.ts';
import { readFleetFile } from '#fleet/fleet-file.ts';
import { exitCodes } from '../exit-codes.ts';
import { engineLines, engineWords } from '../run/engine-table.ts';
import { plural } from '../terminal/format.ts';
import { jsonLine, messageJson } from '../terminal/json-line.ts';
import type { Terminal } from '../terminal/terminal.ts';

export interface EngineOptions {
  readonly home: string;
  /** In place of the gateways of a home's fleet. */
  readonly policy?: string;
  /** In place of those of the fleet. */
  readonly credentials?: string;
  readonly json: boolean;
}

export interface RemoveOptions extends EngineOptions {
  readonly drainMs: number;
}

type Gateway = GrpcClient<typeof PolicyService>;

const timeoutMs = 10_000;
/** How long a new engine is watched: one that has to load a version first takes longer, and is listed meanwhile. */
const joinMs = 10_000;

export async function engineListCommand(options: EngineOptions, terminal: Terminal): Promise<number> {
  return await withGateways(options, timeoutMs, async ([first]) => {
    const engines = await enginesOf(first);
    if (options.json) terminal.out(jsonLine({ engines: engines.map((each) => messageJson(EngineStatusSchema, each)) }));
    else terminal.out(engines.length === 0 ? 'no engine is known' : engineLines(engines));
    return exitCodes.ok;
  });
}

/** Exit code 4 when the engine is known by then and not used. */
export async function engineAddCommand(address: string, options: EngineOptions, terminal: Terminal): Promise<number> {
  return await withGateways(options, timeoutMs, async (gateways) => {
    await Promise.all(gateways.map((gateway) => gateway.addEngine({ address })));
    const endMs = performance.now() + joinMs;
    let added = await statusOf(gateways[0], address);
    while (added?.state !== EngineState.UP && performance.now() < endMs) {
      await sleep(250, undefined);
      added = await statusOf(gateways[0], address);
    }
    const isUp = added?.state === EngineState.UP;
    if (options.json)
      terminal.out(jsonLine({ engine: added === undefined ? null : messageJson(EngineStatusSchema, added) }));
    else if (added !== undefined && isUp) terminal.out(`${address} is up: ${engineWords(added)}`);
    if (isUp) return exitCodes.ok;
    throw new TransientError(
      'unavailable',
      `${address} is added and not used yet: ${added?.problem ?? 'it was removed again'}; the gateway goes on asking it ('gradus engine list' says how it is, 'gradus engine remove ${address}' takes it out)`,
    );
  });
}

export async function engineRemoveCommand(
  address: string,
  options: RemoveOptions,
  terminal: Terminal,
): Promise<number> {
  return await withGateways(options, options.drainMs + timeoutMs, async (gateways) => {
    const known = (await enginesOf(gateways[0])).map((each) => each.address);
    if (!known.includes(address))
      throw new TerminalError(
        'not_found',
        `${address} is no engine of this fleet; it has ${known.length === 0 ? 'none' : known.join(', ')}`,
      );
    const answers = await Promise.all(
      gateways.map((gateway) => gateway.removeEngine({ address, drainMs: options.drainMs })),
    );
    const moved = answers.reduce((sum, answer) => sum + answer.moved, 0);
    const engines = answers[0]?.engines ?? 0;
    if (options.json) terminal.out(jsonLine({ removed: address, moved, engines }));
    else
      terminal.out(
        `${address} is removed${moved === 0 ? '' : `; ${plural(moved, 'request')} moved to others`}; ${plural(engines, 'engine')} left`,
      );
    if (engines === 0) terminal.err('no engine is left: requests wait for one, and fail after a minute');
    return exitCodes.ok;
  });
}

async function withGateways(
  { home, policy, credentials }: EngineOptions,
  callMs: number,
  use: (gateways: readonly [Gateway, ...Gateway[]]) => Promise<number>,
): Promise<number> {
  const addresses = policy?.split(',') ?? (await fleetGateways(resolve(home)));
  const security = await openOperator(credentials ?? (await readFleetFile(resolve(home)))?.credentials);
  const [first, ...others] = addresses.map((address) =>
    createGrpcClient(PolicyService, address, { timeoutMs: callMs, security }),
  );
  if (first === undefined)
    throw new TransientError('unavailable', `the fleet in ${home} has no gateway yet; try again in a moment`);
  try {
    return await use([first, ...others]);
  } finally {
    for (const client of [first, ...others]) client.close();
  }
}

async function fleetGateways(home: string): Promise<string[]> {
  const fleet = await readFleetFile(home);
  if (fleet === undefined)
    throw new TransientError(
      'unavailable',
      `no fleet runs in ${home}; start one with 'gradus up', or name a gateway with --policy HOST:PORT`,
    );
  return fleet.services.flatMap(({ service, grpc }) => (service === 'policy' && grpc !== undefined ? [grpc] : []));
}

async function enginesOf(gateway: Gateway): Promise<readonly EngineStatus[]> {
  return (await gateway.describe({ beforeEngines: true })).engineList;
}

async function statusOf(gateway: Gateway, address: string): Promise<EngineStatus | undefined> {
  return (await enginesOf(gateway)).find((each) => each.address === address);
}
