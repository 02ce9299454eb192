import { createServer } from 'node:http';
import { connect, type AddressInfo } from 'node:net';
import { hostname } from 'node:os';
import { expect, onTestFinished, test } from 'vitest';
import { postJson } from './post-json.ts';
import { useProxyOf } from './outside-proxy.ts';

const { signal } = new AbortController();

/** A server, and a proxy that leads to it whatever host is asked for. */
async function proxied() {
  const target = createServer((_request, response) => void response.end('answer'));
  const tunnels: string[] = [];
  const proxy = createServer().on('connect', (request, socket) => {
    tunnels.push(request.url ?? '');
    const inner = connect((target.address() as AddressInfo).port, '127.0.0.1');
    socket.on('error', () => inner.destroy()).write('HTTP/1.1 200 OK\r\n\r\n');
    inner.on('error', () => socket.destroy());
    socket.pipe(inner).pipe(socket);
  });
  for (const server of [target, proxy]) {
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    onTestFinished(() => void server.close());
  }
  const urlOf = (server: typeof target) => `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return { tunnels, proxyUrl: urlOf(proxy), targetUrl: urlOf(target) };
}

const ask = async (url: string) => await postJson({ who: 'it', url, apiKey: undefined }, '{}', signal);

test.each(['HTTP_PROXY', 'http_proxy'])(
  'a host outside is reached through %s, this machine without it',
  async (name) => {
    const { tunnels, proxyUrl, targetUrl } = await proxied();
    const { variables, restore } = useProxyOf({ [name]: proxyUrl });
    onTestFinished(restore);
    expect(variables).toEqual([name]);
    expect(await ask('http://judge.invalid:8000/v1')).toBe('answer');
    expect(await ask(targetUrl)).toBe('answer');
    expect(tunnels).toEqual(['judge.invalid:8000']);
  },
);

test.each([
  '0.0.0.0',
  '127.0.0.2',
  '127.255.0.1',
  'localhost',
  'localhost.',
  'a.localhost',
  '[::1]',
  '[::ffff:127.0.0.1]',
  hostname(),
])('%s is this machine and needs no proxy', async (host) => {
  const { tunnels, proxyUrl, targetUrl } = await proxied();
  const { restore } = useProxyOf({ HTTP_PROXY: proxyUrl });
  onTestFinished(restore);
  // Nothing may listen there: what counts is that the proxy is not asked.
  await ask(targetUrl.replace('127.0.0.1', host)).catch(() => undefined);
  expect(tunnels).toEqual([]);
});

test.each(['127.0.0.1.example.invalid', 'localhost.invalid', '128.0.0.1', '[::ffff:128.0.0.1]'])(
  '%s is another machine',
  async (host) => {
    const { tunnels, proxyUrl } = await proxied();
    const { restore } = useProxyOf({ HTTP_PROXY: proxyUrl });
    onTestFinished(restore);
    expect(await ask(`http://${host}:8000/v1`)).toBe('answer');
    expect(tunnels).toHaveLength(1);
  },
);

test.each([
  ['judge.invalid', ''],
  ['*', undefined],
  ['judge.invalid', ' '],
])('NO_PROXY of %j holds where no_proxy is %j', async (NO_PROXY, no_proxy) => {
  const { tunnels, proxyUrl } = await proxied();
  const { restore } = useProxyOf({ HTTP_PROXY: proxyUrl, NO_PROXY, ...(no_proxy !== undefined && { no_proxy }) });
  onTestFinished(restore);
  await expect(ask('http://judge.invalid:8000/v1')).rejects.toThrow(/cannot be reached/);
  expect(tunnels).toEqual([]);
});

test('NO_PROXY is honoured, and what is undone leaves no proxy', async () => {
  const { tunnels, proxyUrl } = await proxied();
  const { restore } = useProxyOf({ HTTP_PROXY: proxyUrl, NO_PROXY: 'judge.invalid' });
  await expect(ask('http://judge.invalid:8000/v1')).rejects.toThrow(/it cannot be reached: .*judge\.invalid/);
  expect(await ask('http://other.invalid:8000/v1')).toBe('answer');
  restore();
  await expect(ask('http://other.invalid:8000/v1')).rejects.toThrow(/cannot be reached/);
  expect(tunnels).toEqual(['other.invalid:8000']);
});

test('a proxy that cannot be reached is named in the failure', async () => {
  const { restore } = useProxyOf({ HTTP_PROXY: 'http://127.0.0.1:1' });
  onTestFinished(restore);
  await expect(ask('http://judge.invalid:8000/v1')).rejects.toThrow(/cannot be reached: .*127\.0\.0\.1:1/);
});

test('a proxy that is no URL is refused without showing it; without variables there is none', () => {
  expect(() => useProxyOf({ HTTPS_PROXY: 'me:secret@there' })).toThrow(/^HTTPS_PROXY: .*give a URL, as http:\/\/proxy/);
  expect(() => useProxyOf({ HTTPS_PROXY: 'me:secret@there' })).not.toThrow(/secret/);
  expect(useProxyOf({ HTTP_PROXY: '' }).variables).toEqual([]);
});
