import { setGlobalProxyFromEnv } from 'node:http';
import { TerminalError, errorFrom } from '../errors.ts';

/** What is on this machine is reached without a proxy, whatever the environment says. */
const direct = ['localhost', '127.0.0.1', '::1', '[::1]'];
const names = ['http_proxy', 'https_proxy'] as const;

/**
 * From now on `fetch` goes through the proxy that HTTP_PROXY and HTTPS_PROXY name, but for the hosts of NO_PROXY and this machine; names in
 * small letters win, as curl has it. Gives the variables that hold, and what undoes it. `TerminalError` invalid_argument for a
 * proxy that is no URL, without showing it: it may hold a password.
 */
export function useProxyOf(environment: NodeJS.ProcessEnv): { readonly variables: readonly string[]; restore(): void } {
  const found = names.flatMap((name) =>
    [name, name.toUpperCase()].filter((variable) => (environment[variable] ?? '') !== '').slice(0, 1),
  );
  if (found.length === 0) return { variables: [], restore: () => undefined };
  const noProxy = environment['no_proxy'] ?? environment['NO_PROXY'] ?? '';
  const settings = Object.fromEntries(found.map((variable) => [variable.toLowerCase(), environment[variable]]));
  try {
    const restore = setGlobalProxyFromEnv({ ...settings, no_proxy: [noProxy, ...direct].filter(Boolean).join(',') });
    return { variables: found, restore };
  } catch (thrown) {
    const { message } = errorFrom(thrown);
    const said = found.reduce((text, variable) => text.replaceAll(environment[variable] ?? '', '***'), message);
    throw new TerminalError('invalid_argument', `${found.join(', ')}: ${said}; give a URL, as http://proxy:3128`);
  }
}
