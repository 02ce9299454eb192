import { parseServiceName, programOf } from '#fleet/service-programs.ts';
import { runInPlace } from './run-in-place.ts';

/** Runs one service in our place; its ready line goes to stdout. */
export async function serveCommand(service: string, flags: readonly string[]): Promise<number> {
  return await runInPlace(programOf(parseServiceName(service)), flags);
}
