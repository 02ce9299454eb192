import { X509Certificate } from 'node:crypto';
import { mkdir, readFile, readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { credentialFiles } from '#fleet/credentials-directory.ts';
import { temporaryDirectory } from '#platform/files/directory-under-test.ts';
import { initCredentials, renewCredentials } from './write-credentials.ts';

const day = 24 * 3_600_000;
const nowMs = Date.parse('2026-01-01T00:00:00Z');

async function made(): Promise<string> {
  const directory = join(await temporaryDirectory(), 'credentials');
  await initCredentials({ directory, hosts: ['trainer.example'], days: 30, nowMs });
  return directory;
}

const certificateOf = async (directory: string): Promise<X509Certificate> =>
  new X509Certificate(await readFile(credentialFiles(directory, 'coordinator').cert));

test('every file is for its owner alone, and a certificate has its role, the names that were asked for, and an end', async () => {
  const directory = await made();
  for (const name of await readdir(directory)) {
    const { mode } = await stat(join(directory, name));
    expect((mode & 0o077).toString(8), name).toBe('0');
  }
  const certificate = await certificateOf(directory);
  expect(certificate.subjectAltName).toContain('DNS:coordinator.gradus.internal');
  expect(certificate.subjectAltName).toContain('DNS:trainer.example');
  expect(Date.parse(certificate.validTo) - nowMs).toBe(30 * day);
});

test('what is there is renewed and not made anew, with the same names', async () => {
  const directory = await made();
  await expect(initCredentials({ directory, hosts: [], days: 30, nowMs })).rejects.toThrow(
    `${directory} is not empty; choose another directory, or renew what is there: gradus credentials renew ${directory}`,
  );
  await renewCredentials({ directory, days: 60, nowMs });
  const certificate = await certificateOf(directory);
  expect(certificate.subjectAltName).toContain('DNS:trainer.example');
  expect(Date.parse(certificate.validTo) - nowMs).toBe(60 * day);
});

test('P9: names that cannot be read are not left out', async () => {
  const directory = await made();
  await rm(join(directory, 'hosts'));
  await mkdir(join(directory, 'hosts'));
  await expect(renewCredentials({ directory, days: 60, nowMs })).rejects.toThrow('EISDIR');
});
