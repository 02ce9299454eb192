import { expect, test } from 'vitest';
import { createResponseReader, type HttpResponse } from './http-response.ts';

const wire = Buffer.from(
  'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 5\r\n\r\n{"a"}' +
    'HTTP/1.1 503 Busy\r\ncontent-length:2\r\nconnection: close\r\n\r\nno' +
    'HTTP/1.1 204 None\r\ncontent-length: 0\r\n\r\n',
);

test.each([1, 2, 7, 64, 1_000])('responses are the same whether they come in pieces of %i bytes or at once', (size) => {
  const responses: HttpResponse[] = [];
  const read = createResponseReader((response) => responses.push(response));
  for (let at = 0; at < wire.length; at += size) read(wire.subarray(at, at + size));
  expect(responses.map(({ status, body, closes }) => [status, body.toString(), closes])).toEqual([
    [200, '{"a"}', false],
    [503, 'no', true],
    [204, '', false],
  ]);
});

test('a response without a length is refused', () => {
  const read = createResponseReader(() => {});
  expect(() => read(Buffer.from('HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n'))).toThrow('content-length');
});
