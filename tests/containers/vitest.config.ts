import { defineConfig } from 'vitest/config';
import { repositoryRoot } from '../../services/platform/repository.ts';

// One file after the other: each starts several services, and names its containers. The limits only end what hangs.
export default defineConfig({
  test: {
    root: repositoryRoot,
    include: ['tests/containers/{engine,fleet}/**/*.test.ts'],
    // Of testcontainers: no container of its own that removes others; the tests remove theirs.
    env: { TESTCONTAINERS_RYUK_DISABLED: 'true' },
    globalSetup: ['tests/containers/engine/build-images.ts'],
    testTimeout: 1_800_000,
    hookTimeout: 600_000,
    expect: { poll: { timeout: 600_000 } },
    fileParallelism: false,
  },
});
