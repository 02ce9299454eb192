/**
 * Which requests an HTTP server answers, by the names in them. Without this a web page reaches what listens on loopback: its
 * own name is bound to 127.0.0.1 for a moment (DNS rebinding), and its requests count as those of the same site; and a form
 * of any page may post without reading the answer. A page cannot choose the Host and Origin that a browser sends.
 *
 * Answered are loopback names, addresses (an address cannot be rebound, and probes and scrapers of a cluster use it), the
 * name that the server is bound to, and the names in `allowedHosts`.
 */
import type { IncomingHttpHeaders } from 'node:http';
import { isIP } from 'node:net';
import { shortText } from '../text/show-value.ts';

export interface HostSettings {
  /** Names besides the usual ones, without ports. */
  readonly allowedHosts: readonly string[];
}

/** Gives why a request is refused, with what would allow it; undefined when it is not. */
export type HostCheck = (headers: IncomingHttpHeaders) => string | undefined;

/** `address` is what the server listens on, `host:port`. */
export function createHostCheck(address: string, { allowedHosts }: HostSettings): HostCheck {
  const names = new Set(
    [...allowedHosts, address.slice(0, address.lastIndexOf(':'))].map((name) => name.toLowerCase()),
  );
  const isAllowed = (name: string): boolean =>
    isLoopbackName(name) || isIP(name.replace(/^\[|\]$/g, '')) !== 0 || names.has(name);
  return ({ host, origin }) => {
    // HTTP/1.0 may leave it out, and browsers never do.
    const name = host === undefined ? undefined : hostnameOf(`http://${host}`);
    if (host !== undefined && (name === undefined || !isAllowed(name))) {
      return `host: '${shortText(host)}' is not a name of this service; list its names with --allowed-hosts`;
    }
    if (origin === undefined) return undefined;
    const page = URL.canParse(origin) ? new URL(origin) : undefined;
    const ofThisServer = page !== undefined && page.host === host;
    const site = page === undefined ? undefined : hostnameOf(page.origin);
    if (ofThisServer || (site !== undefined && (isLoopbackName(site) || isLoopbackHost(site) || names.has(site)))) {
      return undefined;
    }
    return `origin: pages of '${shortText(origin)}' may not ask this service; list their hosts with --allowed-hosts`;
  };
}

/** Lower case, without port and without the dot of the root; undefined for what is more than a host and a port. */
function hostnameOf(url: string): string | undefined {
  if (!URL.canParse(url)) return undefined;
  const { hostname, pathname, username, search, hash } = new URL(url);
  if (pathname !== '/' || username !== '' || search !== '' || hash !== '') return undefined;
  return hostname.replace(/\.$/, '');
}

function isLoopbackName(name: string): boolean {
  return name === 'localhost' || name.endsWith('.localhost');
}

function isLoopbackHost(name: string): boolean {
  return name === '[::1]' || (isIP(name) === 4 && name.startsWith('127.'));
}

/** Whether `host:port` names this machine itself, as it is written: no name is looked up, since names may be anybody's. */
export function isLoopbackAddress(address: string): boolean {
  const host = address.slice(0, address.lastIndexOf(':'));
  return host === 'localhost' || isLoopbackHost(host);
}
