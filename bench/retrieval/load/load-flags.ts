import { z } from 'zod';
import type { Loads } from './measure-loads.ts';

/** For `parseArgs`. */
export const loadFlags = {
  quick: { type: 'boolean', default: false },
  clients: { type: 'string' },
  paced: { type: 'string', default: '100x1500' },
  seconds: { type: 'string', default: '4' },
  'warm-up': { type: 'string', default: '1' },
  timeout: { type: 'string', default: '60' },
} as const;

const allClients = '1,50,100,500,2000';
const quickClients = '1,100,2000';
const positive = z.coerce.number().positive();

/** `1,50`: numbers of clients. `100x1500,…`: clients and calls a second of all together; empty for none. */
export function parseLoads(values: {
  readonly quick: boolean;
  readonly clients?: string | undefined;
  readonly paced: string;
  readonly seconds: string;
  readonly 'warm-up': string;
  readonly timeout: string;
}): Loads {
  const clients = values.clients ?? (values.quick ? quickClients : allClients);
  return {
    clients: clients.split(',').map((count) => positive.int().parse(count)),
    paced: values.paced
      .split(',')
      .filter((load) => load !== '')
      .map((load) => {
        const [asking, callsPerSecond] = load.split('x');
        return { clients: positive.int().parse(asking), callsPerSecond: positive.parse(callsPerSecond) };
      }),
    seconds: values.quick ? 1 : positive.parse(values.seconds),
    warmUpSeconds: values.quick ? 0.5 : positive.parse(values['warm-up']),
    timeoutSeconds: positive.parse(values.timeout),
  };
}
