import { expect, test } from 'vitest';
import { reroot, rerootPaths } from './reroot.ts';

test('what lies in a moved directory moves with it', () => {
  expect(reroot('/old/run/versions/000003', '/old/run', '/new/run')).toBe('/new/run/versions/000003');
  expect(reroot('/old/run', '/old/run', '/new/run')).toBe('/new/run');
});

test('what lies elsewhere keeps its path, also when it only begins like the moved directory', () => {
  for (const path of ['/models/base', '/old/run-2/world', '/old', ''])
    expect(reroot(path, '/old/run', '/new/run')).toBe(path);
});

test('a directory that did not move changes nothing', () => {
  expect(reroot('/old/run/world', '/old/run', '/old/run')).toBe('/old/run/world');
  expect(reroot('/old/run/world', '', '/new/run')).toBe('/old/run/world');
});

test('a run takes its world along, and leaves its model where it is', () => {
  const paths = { model: '/models/base', train: '/old/run/world/train.jsonl', held_out: '/d/h', corpus: '/old/run/c' };
  expect(rerootPaths(paths, '/old/run', '/new')).toEqual({
    model: '/models/base',
    train: '/new/world/train.jsonl',
    held_out: '/d/h',
    corpus: '/new/c',
  });
});
