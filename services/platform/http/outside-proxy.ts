import { setGlobalProxyFromEnv } from 'node:http';
import { BlockList, isIP } from 'node:net';
import { hostname } from 'node:os';
import { TerminalError, errorFrom } from '../errors.ts';

/** For clients of node:http, which know ranges; `fetch` knows names only, see `sendDirectly`. */
const direct = ['localhost', '127.0.0.0-127.255.255.255', '0.0.0.0', '::1', '[::1]', hostname()];
/** Also as IPv6 writes them, `::ffff:127.0.0.1`. */
const loopback = new BlockList();
loopback.addSubnet('127.0.0.0', 8);
loopback.addAddress('0.0.0.0');
loopback.addAddress('::1', 'ipv6');
loopback.addAddress('::', 'ipv6');
const names = ['http_proxy', 'https_proxy'] as const;

/**
 * From now on `fetch` goes through the proxy that HTTP_PROXY and HTTPS_PROXY name, but for the hosts of NO_PROXY and this machine,
 * whatever the environment says; names in small letters win where they are not empty. Gives the variables that hold, and what undoes it. `TerminalError` invalid_argument for a
 * proxy that is no URL, without showing it: it may hold a password.
 */
export function useProxyOf(environment: NodeJS.ProcessEnv): { readonly variables: readonly string[]; restore(): void } {
  const found = names.flatMap((name) =>
    [name, name.toUpperCase()].filter((variable) => (environment[variable] ?? '') !== '').slice(0, 1),
  );
  if (found.length === 0) return { variables: [], restore: () => undefined };
  const without = [environment['no_proxy'], environment['NO_PROXY']].find((hosts) => hosts?.trim()) ?? '';
  // With other hosts next to it, the star for all is no longer one.
  const noProxy = without.split(/[,\s]+/).includes('*') ? '*' : [without, ...direct].filter(Boolean).join(',');
  const settings = Object.fromEntries(found.map((variable) => [variable.toLowerCase(), environment[variable]]));
  try {
    // Node has a dispatcher for fetch once a class of fetch is looked at.
    const plain = globalThis.Response && fetchDispatcher();
    const restore = setGlobalProxyFromEnv({ ...settings, no_proxy: noProxy });
    sendDirectly(fetchDispatcher(), plain);
    return { variables: found, restore };
  } catch (thrown) {
    const { message } = errorFrom(thrown);
    const said = found.reduce((text, variable) => text.replaceAll(environment[variable] ?? '', '***'), message);
    throw new TerminalError('invalid_argument', `${found.join(', ')}: ${said}; give a URL, as http://proxy:3128`);
  }
}

interface Dispatcher {
  dispatch(options: { readonly origin?: string | URL }, handler: unknown): boolean;
}

/** The one that fetch uses: a symbol is the only way to Node's own. */
function fetchDispatcher(): Dispatcher {
  return Reflect.get(globalThis, Symbol.for('undici.globalDispatcher.1')) as Dispatcher;
}

/** Calls to this machine take the way of `plain`: names without a proxy can hold no range of addresses. */
function sendDirectly(proxied: Dispatcher, plain: Dispatcher): void {
  const dispatch = proxied.dispatch.bind(proxied);
  proxied.dispatch = (options, handler) =>
    isThisMachine(new URL(options.origin ?? '')) ? plain.dispatch(options, handler) : dispatch(options, handler);
}

function isThisMachine(url: URL): boolean {
  const name = url.hostname.replaceAll(/^\[|\]$|\.$/g, '');
  const version = isIP(name);
  if (version !== 0) return loopback.check(name, version === 6 ? 'ipv6' : 'ipv4');
  return name === 'localhost' || name.endsWith('.localhost') || name === hostname().toLowerCase();
}
