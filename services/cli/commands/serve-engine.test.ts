import { expect, test } from 'vitest';
import { engineKinds } from '#engines/index.ts';
import { engineService } from './serve-engine.ts';

const url = 'http://127.0.0.1:8000';

test('the sidecar of a server that exists runs for each kind, with the flags around it', () => {
  for (const { kind } of engineKinds)
    for (const given of [[`--${kind}`, url], [`--${kind}=${url}`]])
      expect(engineService(['--grpc', '127.0.0.1:7001', ...given, '--max-running', '8'])).toEqual({
        service: 'engine-sidecar',
        flags: ['--kind', kind, '--server', url, '--grpc', '127.0.0.1:7001', '--max-running', '8'],
      });
});

test('without one it is the built-in engine, with its flags as they are', () => {
  const flags = ['--model=policies/nano', '--grpc', '127.0.0.1:0'];
  expect(engineService(flags)).toEqual({ service: 'engine', flags });
});

test('a URL for what every service has is not the URL of a server', () => {
  const traces = ['--otlp-endpoint', 'http://127.0.0.1:4317'];
  const [kind = ''] = engineKinds.map((each) => each.kind);
  expect(engineService(['--model', 'policies/nano', ...traces])).toEqual({
    service: 'engine',
    flags: ['--model', 'policies/nano', ...traces],
  });
  for (const given of [
    [...traces, `--${kind}`, url],
    [`--${kind}`, url, ...traces],
  ])
    expect(engineService(given)).toEqual({
      service: 'engine-sidecar',
      flags: ['--kind', kind, '--server', url, ...traces],
    });
});

test('a kind that is none, or a server without a URL, is refused with what was meant', () => {
  expect(() => engineService(['--vlllm', url])).toThrow(
    'serve engine: --vlllm is no kind of inference server; did you mean --vllm?',
  );
  expect(() => engineService(['--onnx', url])).toThrow(/is no kind of inference server; kinds: vllm/);
  expect(() => engineService(['--vllm', '--grpc', '127.0.0.1:0'])).toThrow('--vllm needs the URL of the server');
  expect(() => engineService(['--vllm'])).toThrow('--vllm needs the URL of the server');
});
