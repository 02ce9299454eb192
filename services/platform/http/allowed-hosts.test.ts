import { expect, test } from 'vitest';
import { createHostCheck } from './allowed-hosts.ts';

const onLoopback = createHostCheck('127.0.0.1:8000', { allowedHosts: [] });
const named = createHostCheck('0.0.0.0:8000', { allowedHosts: ['Retrieval.example'] });

test.each([
  'localhost',
  'localhost:8000',
  'LOCALHOST:8000',
  'localhost.:8000',
  'a.localhost:8000',
  '127.0.0.1:8000',
  '127.0.0.2',
  '[::1]:8000',
  // A scraper of a cluster asks by the address of a pod.
  '10.0.0.7:9464',
  '[fd00::7]:9464',
])('a request for %s is answered', (host) => {
  expect(onLoopback({ host })).toBeUndefined();
});

test.each([
  'evil.example',
  'evil.example:8000',
  'localhost.evil.example',
  'evillocalhost',
  'localhost@evil.example',
  'evil.example#localhost',
  'evil.example/localhost',
  '127.0.0.1.evil.example',
  '',
  ' ',
  'a b',
  ':8000',
  '[::1',
])('a request for %j is refused with the setting that allows it', (host) => {
  expect(onLoopback({ host })).toMatch(/^host: '.*' is not a name of this service; .* --allowed-hosts$/);
});

test.each(['retrieval.example', 'RETRIEVAL.EXAMPLE:8000', 'retrieval.example.'])(
  'a request for %s is answered once it is allowed',
  (host) => {
    expect(onLoopback({ host })).toBeDefined();
    expect(named({ host })).toBeUndefined();
  },
);

test('the name that a server is bound to is its own', () => {
  expect(createHostCheck('gpu-7:8000', { allowedHosts: [] })({ host: 'gpu-7:8000' })).toBeUndefined();
});

test.each([
  [undefined, true],
  ['http://localhost:3000', true],
  ['http://127.0.0.1:3000', true],
  ['https://[::1]', true],
  ['http://127.0.0.1:8000', true],
  ['null', false],
  ['', false],
  ['https://evil.example', false],
  ['https://localhost.evil.example', false],
  ['file://', false],
  // Another machine's page, though its address cannot be rebound.
  ['http://10.0.0.9', false],
])('a page from %s is answered: %s', (origin, answered) => {
  expect(onLoopback({ host: '127.0.0.1:8000', origin }) === undefined).toBe(answered);
});

test('a page that the service itself serves may ask it, by address and by an allowed name', () => {
  expect(named({ host: '10.0.0.7:8000', origin: 'http://10.0.0.7:8000' })).toBeUndefined();
  expect(named({ host: '10.0.0.7:8000', origin: 'http://10.0.0.7:9000' })).toBeDefined();
  expect(named({ host: 'retrieval.example', origin: 'https://retrieval.example' })).toBeUndefined();
  expect(named({ host: 'evil.example', origin: 'http://evil.example' })).toMatch(/^host: /);
});

test('a request without a host, as HTTP/1.0 has it, is no browser', () => {
  expect(onLoopback({})).toBeUndefined();
  expect(onLoopback({ origin: 'https://evil.example' })).toBeDefined();
});

test('what is quoted of a huge header is short', () => {
  expect((onLoopback({ host: 'x'.repeat(15_000) }) ?? '').length).toBeLessThan(250);
});
