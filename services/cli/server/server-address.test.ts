import { expect, test } from 'vitest';
import { parseServer } from './server-address.ts';

test.each(['10.0.0.5:7000', 'coordinator.gradus.svc:1', '[::1]:65535'])('%s is an address of a server', (text) => {
  expect(parseServer(text)).toBe(text);
});

test.each([
  '',
  'host',
  'host:',
  ':7000',
  'host:0',
  'host:65536',
  'http://host:7000',
  'host:7000/x',
  'a b:1',
  '::1:7000',
])("'%s' is none, and the message shows one", (text) => {
  expect(() => parseServer(text)).toThrow('HOST:PORT of a coordinator, for example 10.0.0.5:7000');
});
