import { expect, test } from 'vitest';
import { temporaryDirectory } from '#platform/files/directory-under-test.ts';
import { createOwnServices } from './own-services.ts';

test('a service is waited for as long as its plan says', async () => {
  const { signal } = new AbortController();
  const services = await createOwnServices({ logs: await temporaryDirectory(), prefix: 'test', signal });
  const planned = { label: 'judge', service: 'scripted-judge', args: [], readyTimeoutMs: 1 } as const;
  await expect(services.start(planned)).rejects.toThrow('did not say that it serves within 0.001 s');
  await services.stop();
});
