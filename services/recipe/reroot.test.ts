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

test('a file of a scorer in a run directory moves with it, another one stays', () => {
  const paths = { model: '/m', train: '/t', held_out: '/d/h', corpus: '/c' };
  const scorers = { inside: '/old/run/house.ts', outside: '/home/me/reward.py' };
  const judgeKeys = { main: '/old/run/key' };
  expect(rerootPaths({ ...paths, scorers, judge_keys: judgeKeys }, '/old/run', '/new')).toEqual({
    ...paths,
    scorers: { inside: '/new/house.ts', outside: '/home/me/reward.py' },
    judge_keys: { main: '/new/key' },
  });
});
