import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterAll, describe, expect, test } from 'vitest';
import { z } from 'zod';

import { TerminalError } from '../errors.ts';
import { describeConfig, maskConfig } from './config-text.ts';
import { baseConfig, loadConfig } from './config.ts';
import type { ConfigSources } from './config.ts';

const schema = baseConfig.extend({
  natsUrl: z.string().default('nats://127.0.0.1:4222').describe('Where NATS listens.'),
  engines: z.array(z.string()).min(1).default(['a']),
  ports: z.array(z.int()).default([]),
  concurrency: z.int().min(1).max(4096).default(256).describe('Rollouts at once.'),
  workerId: z.string(),
  retry: z.strictObject({ baseMs: z.number().default(100), once: z.boolean().default(false) }).prefault({}),
  apiKey: z.string().optional(),
  token: z.string().optional().meta({ secret: true }),
});

const directory = mkdtempSync(join(tmpdir(), 'gradus-config-'));
afterAll(() => rmSync(directory, { recursive: true }));

function fileWith(text: string): string {
  const file = join(directory, `${crypto.randomUUID()}.yaml`);
  writeFileSync(file, text);
  return file;
}

function load(sources: ConfigSources) {
  return loadConfig(schema, { ...sources, env: { GRADUS_WORKER_ID: 'w1', ...sources.env } });
}

function problem(sources: ConfigSources): string {
  try {
    load(sources);
  } catch (error) {
    expect(error).toBeInstanceOf(TerminalError);
    return error instanceof Error ? error.message : '';
  }
  throw new Error('the config was accepted');
}

describe('sources', () => {
  test('defaults fill what nobody sets', () => {
    expect(load({})).toMatchObject({ grpc: '127.0.0.1:0', drainMs: 10_000, concurrency: 256, retry: { baseMs: 100 } });
  });

  test('flags come before the environment, that before the file, that before defaults', () => {
    const file = fileWith('concurrency: 1\ndrainMs: 1\nlogLevel: warn\nretry: { baseMs: 1, once: true }\n');
    const config = load({
      file,
      env: { GRADUS_CONCURRENCY: '2', GRADUS_DRAIN_MS: '2', GRADUS_RETRY_BASE_MS: '2' },
      argv: ['--concurrency', '3'],
    });
    expect(config).toMatchObject({ concurrency: 3, drainMs: 2, logLevel: 'warn', retry: { baseMs: 2, once: true } });
  });

  test('the file may be named by a flag and may be JSON', () => {
    const file = fileWith('{"concurrency": 7}');
    expect(load({ argv: ['--config', file] }).concurrency).toBe(7);
    expect(load({ argv: [`--config=${file}`] }).concurrency).toBe(7);
    expect(load({ env: { GRADUS_CONFIG: file } }).concurrency).toBe(7);
  });

  test('text becomes numbers, booleans and lists where the schema wants them', () => {
    const config = load({
      argv: ['--engines=x:1,y:2', '--ports', '1, 2', '--insecure-remote', '--retry-once', 'true'],
    });
    expect(config).toMatchObject({
      engines: ['x:1', 'y:2'],
      ports: [1, 2],
      insecureRemote: true,
      retry: { once: true },
    });
    expect(load({ argv: ['--no-insecure-remote'] }).insecureRemote).toBe(false);
    expect(load({ env: { GRADUS_ENGINES: '["p,q"]' } }).engines).toEqual(['p,q']);
  });

  test('the result is frozen, all the way down', () => {
    const config = load({});
    expect(Object.isFrozen(config)).toBe(true);
    expect(Object.isFrozen(config.retry)).toBe(true);
    expect(Object.isFrozen(config.engines)).toBe(true);
  });
});

describe('refusals name the field, the value and the way out', () => {
  test('an unknown key in the file, with what was meant', () => {
    expect(problem({ file: fileWith('concurency: 3') })).toMatch(/concurency: unknown key .*'concurrency'/);
    expect(problem({ file: fileWith('retry: { baseMS: 3 }') })).toMatch(/retry\.baseMS: unknown key .*'baseMs'/);
  });

  test('an unknown flag, with what was meant', () => {
    expect(problem({ argv: ['--concurency', '3'] })).toMatch(
      /unknown flag '--concurency'; did you mean '--concurrency'/,
    );
  });

  test('a misspelt environment variable, but not one of another service', () => {
    expect(problem({ env: { GRADUS_NATS_ULR: 'x' } })).toMatch(/GRADUS_NATS_ULR; did you mean 'GRADUS_NATS_URL'/);
    expect(load({ env: { GRADUS_MODEL_DIRECTORY: '/x', GRADUS_ENGINE: 'e', GRADUS_K1: '1' } }).engines).toEqual(['a']);
  });

  test('a value out of bounds, with where it came from', () => {
    const message = problem({ env: { GRADUS_CONCURRENCY: '0' } });
    expect(message).toContain('concurrency:');
    expect(message).toContain('got 0 (environment variable GRADUS_CONCURRENCY)');
    expect(message).toContain('Rollouts at once.');
  });

  test('text where a number is needed', () => {
    expect(problem({ argv: ['--drain-ms', 'soon'] })).toMatch(/drainMs: .*got 'soon' \(flag --drain-ms\)/);
  });

  test('a missing value, with the three ways to set it', () => {
    const message = problem({ env: { GRADUS_WORKER_ID: '' } });
    expect(message).toContain("workerId: missing; set --worker-id, GRADUS_WORKER_ID or 'workerId' in the file");
  });

  test('several problems at once', () => {
    const message = problem({ argv: ['--concurrency=0', '--log-level=loud'] });
    expect(message).toContain('concurrency:');
    expect(message).toContain('logLevel:');
  });

  test('a flag without its value, and a stray argument', () => {
    expect(problem({ argv: ['--concurrency'] })).toContain('flag --concurrency needs a value');
    expect(problem({ argv: ['concurrency'] })).toContain("unexpected argument 'concurrency'");
  });

  test('an address that is none', () => {
    expect(problem({ argv: ['--grpc', '8080'] })).toMatch(/grpc: must be host:port.*got '8080'/);
    expect(problem({ argv: ['--grpc', 'localhost:99999'] })).toMatch(/below 65536/);
  });

  test('a file that is missing, broken, or holds a list', () => {
    expect(problem({ file: join(directory, 'none.yaml') })).toContain('cannot be read');
    expect(problem({ file: fileWith('a: [1') })).toContain('is not valid YAML');
    expect(problem({ file: fileWith('- 1') })).toContain('must hold keys and values');
  });

  test('a name that no object can keep', () => {
    const named = baseConfig.extend({ judges: z.record(z.string(), z.strictObject({ url: z.string() })).default({}) });
    const refused = /judges\.__proto__: cannot be a name/;
    expect(() => loadConfig(named, { argv: ['--judges', '{"__proto__": {"url": "x"}}'] })).toThrow(refused);
    expect(() => loadConfig(named, { file: fileWith('judges: { __proto__: { url: x } }') })).toThrow(refused);
    expect(problem({ file: fileWith('__proto__: 1') })).toContain('__proto__: cannot be a name');
    expect(problem({ file: fileWith('constructor: 1') })).toContain('constructor: cannot be a name');
  });

  test('more keys than anyone reads: the first are reported, the others counted', () => {
    const text = problem({ file: fileWith(Array.from({ length: 5_000 }, (_, at) => `logLevelx${at}: 1`).join('\n')) });
    expect(text.split('\n').length).toBeLessThan(25);
    expect(text).toContain('and 4,980 more');
  });

  test('values, flags and files of any length are quoted short', () => {
    const long = 'x'.repeat(500_000);
    expect(problem({ argv: ['--grpc', long] }).length).toBeLessThan(600);
    expect(problem({ argv: [`--${long}`] }).length).toBeLessThan(600);
    expect(problem({ argv: [long] }).length).toBeLessThan(600);
    expect(problem({ file: fileWith(`a: ${long.repeat(3)}`) })).toContain('at most 1048576 are read');
  });

  test('a secret is not repeated in the refusal', () => {
    const strict = baseConfig.extend({ apiKey: z.string().min(20) });
    expect(() => loadConfig(strict, { argv: ['--api-key', 'hunter2'] })).toThrow(/apiKey: .*got \*\*\*/);
  });
});

describe('printing', () => {
  test('secrets are masked by mark and by name, passwords inside URLs too', () => {
    const config = load({
      argv: ['--api-key', 'k', '--token', 't', '--nats-url', 'nats://me:pass@host:1,nats://you:pass@host:2'],
    });
    expect(maskConfig(schema, config)).toMatchObject({
      apiKey: '***',
      token: '***',
      natsUrl: 'nats://***@host:1,nats://***@host:2',
      workerId: 'w1',
    });
  });

  test('--help says of each flag what it takes, its default, and which are required, those first', () => {
    const text = describeConfig('gradus serve rollout', schema);
    const lines = text.split('\n').map((line) => line.trim().replaceAll(/ {2,}/g, '  '));
    expect(lines[0]).toBe('Usage: gradus serve rollout --worker-id <text> [flags]');
    expect(lines.indexOf('--worker-id <text>')).toBe(lines.indexOf('Required:') + 1);
    expect(lines).toContain('--concurrency <n>  Rollouts at once. (default: 256)');
    expect(lines).toContain('--retry-once  (default: false)');
    expect(lines).toContain('--retry-base-ms <n>  (default: 100)');
    expect(lines).toContain('--engines <list>  (default: a)');
    expect(lines).toContain('--ports <list>');
    expect(lines).toContainEqual(expect.stringMatching(/^--log-level <trace\|debug\|.*\(default: info\)$/));
  });

  test('an example of a command has what is required and what says an example of itself; a default of this machine is not printed', () => {
    const text = describeConfig(
      'gradus serve x',
      z.strictObject({
        policy: z.string().describe('Where.').meta({ example: '127.0.0.1:7001' }),
        corpus: z.string().optional().meta({ example: 'corpus.jsonl' }),
        host: z
          .string()
          .default(() => 'this-machine')
          .meta({ byDefault: 'its name' }),
      }),
    );
    expect(text).toContain('Example:\n  gradus serve x --policy 127.0.0.1:7001 --corpus corpus.jsonl\n');
    expect(text).toContain('(default: its name)');
  });
});
