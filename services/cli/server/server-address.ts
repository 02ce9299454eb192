import { InvalidArgumentError, Option } from 'commander';

export const serverVariable = 'GRADUS_SERVER';

export const server = (): Option =>
  new Option('--server <host:port>', 'a coordinator elsewhere, in place of the fleet of a home')
    .env(serverVariable)
    .argParser(parseServer);

export function parseServer(text: string): string {
  const [, host, port] = /^(\[[0-9a-fA-F:.]+\]|[^\s:/]+):(\d{1,5})$/.exec(text) ?? [];
  if (host === undefined || Number(port) < 1 || Number(port) > 65_535)
    throw new InvalidArgumentError('It must be HOST:PORT of a coordinator, for example 10.0.0.5:7000.');
  return text;
}
