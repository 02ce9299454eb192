import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { connectNats } from '#platform/nats/connect.ts';
import type { Nats } from '#platform/nats/connect.ts';
import { startNatsServer } from '#platform/nats/nats-server.ts';
import type { NatsServer } from '#platform/nats/nats-server.ts';
import { ensureStreams } from '#platform/nats/streams.ts';
import { createLogger } from '#platform/telemetry/logging.ts';
import { foldLedger } from '../../services/run/ledger/read-ledger.ts';
import { createLedgerWriter } from '../../services/coordinator/ledger-writer.ts';
import type { FactInit } from '../../services/run/ledger/read-ledger.ts';
import { lastingPort } from '../fixtures/lasting-port.ts';

const { signal } = new AbortController();
let server: NatsServer;
let nats: Nats;
let directory: string;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'gradus-ledger-'));
  server = await startNatsServer({ storeDirectory: directory, port: await lastingPort() });
  const log = createLogger({ service: 'test', level: 'silent' });
  nats = await connectNats({ url: server.url, name: 'test', log, signal });
  await ensureStreams(nats, { trajectoryMaxBytes: 1024 * 1024 });
});
afterAll(async () => {
  await nats.close();
  await server.stop();
  await rm(directory, { recursive: true, force: true });
});

const started: FactInit = { case: 'runStarted', value: { recipeJson: '{}', recipeHash: 'h', directory: '/d' } };
const resumed = (holder: string): FactInit => ({ case: 'runResumed', value: { holder } });
const entered: FactInit = { case: 'stageEntered', value: { stage: 'one' } };
const opened = (groupId: string): FactInit => ({ case: 'groupOpened', value: { groupId } });
const writerOf = async (runId: string) => createLedgerWriter(nats, await foldLedger(nats, runId, signal));

describe('the ledger', () => {
  it('P1: lets one of two begin a run, and one of two take it over', async () => {
    for (const fact of [started, resumed('x')]) {
      const writers = await Promise.all([writerOf('twice'), writerOf('twice')]);
      const outcomes = await Promise.allSettled(writers.map((writer) => writer.append(fact)));
      expect(outcomes.map(({ status }) => status).toSorted()).toEqual(['fulfilled', 'rejected']);
      expect(writers.filter((writer) => writer.refused.aborted)).toHaveLength(1);
    }
    expect((await foldLedger(nats, 'twice', signal)).state.entries).toBe(2);
  });

  it('P1: refuses every later fact of a leader of the past, and says so as a cancellation', async () => {
    const past = await writerOf('fenced');
    await past.append(started);
    await past.append(entered);
    const next = await writerOf('fenced');
    await next.append(resumed('next'));
    expect(next.epoch).toBeGreaterThan(past.epoch);
    await expect(past.append(opened('late'))).rejects.toMatchObject({ name: 'CancelledError' });
    await expect(past.append({ case: 'runEnded', value: { state: 'failed' } })).rejects.toMatchObject({
      message: 'another coordinator leads run fenced by now',
    });
    await next.append(opened('a'));
    const { state } = await foldLedger(nats, 'fenced', signal);
    expect([...state.groups.keys()]).toEqual(['a']);
    expect(state.life).toBe('running');
  });

  it('informs a leader that only looks, and does not mistake its own facts for those of another one', async () => {
    const past = await writerOf('looks');
    await past.append(started);
    await Promise.all([past.append(entered), past.append(opened('a')), past.verify()]);
    await past.verify();
    await (await writerOf('looks')).append(resumed('next'));
    await expect(past.verify()).rejects.toThrow('another coordinator leads run looks by now');
    expect(past.refused.aborted).toBe(true);
  });

  it('P1: takes a fact once whose answer was lost, also when NATS was restarted over it', async () => {
    const writer = await writerOf('restart');
    await writer.append(started);
    const appended = Promise.all([entered, opened('a'), opened('b')].map((fact) => writer.append(fact)));
    await server.stop();
    server = await startNatsServer({ storeDirectory: directory, port: server.port });
    await appended;
    expect(writer.refused.aborted).toBe(false);
    expect((await foldLedger(nats, 'restart', signal)).state.entries).toBe(4);
  });
});
