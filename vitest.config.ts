import { availableParallelism } from 'node:os';
import { defineConfig } from 'vitest/config';

// Kinds of tests, told apart by folder: unit tests lie beside the code, `tests/<area>` uses real NATS and gRPC,
// `tests/e2e` and `tests/chaos` start whole fleets. They start processes, so their limits are longer. All
// limits are far above what a test takes: they end what hangs, and never judge how busy the machine is.
// `tests/containers/engine` and `fleet` need a Docker engine and have a configuration of their own (`make test-containers`).
const patient = { poll: { timeout: 60_000 } };

export default defineConfig({
  test: {
    // Unit tests compute and integration tests mostly wait: one more than there are cores keeps these busy.
    maxWorkers: availableParallelism() + 1,
    projects: [
      {
        test: {
          name: 'unit',
          include: ['services/**/*.test.ts', 'bench/**/*.test.ts'],
          testTimeout: 300_000,
          hookTimeout: 300_000,
          expect: patient,
        },
      },
      {
        test: {
          name: 'integration',
          include: ['tests/**/*.test.ts'],
          exclude: ['tests/e2e/**', 'tests/chaos/**', 'tests/containers/{engine,fleet}/**'],
          testTimeout: 300_000,
          hookTimeout: 300_000,
          expect: patient,
        },
      },
      {
        test: {
          name: 'e2e',
          include: ['tests/e2e/**/*.test.ts'],
          testTimeout: 900_000,
          hookTimeout: 300_000,
          expect: patient,
          // A fleet under test waits for most of its time: two keep two cores half busy.
          maxWorkers: 2,
          sequence: { groupOrder: 1 },
        },
      },
      {
        test: {
          name: 'chaos',
          include: ['tests/chaos/**/*.test.ts'],
          testTimeout: 1_200_000,
          hookTimeout: 300_000,
          expect: patient,
          // Alone: what it measures is how long a run stands still.
          fileParallelism: false,
          sequence: { groupOrder: 2 },
        },
      },
    ],
  },
});
