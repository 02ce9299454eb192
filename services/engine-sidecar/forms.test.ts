import { afterEach, expect, it } from 'vitest';
import { OutputFormKind } from '#proto/policy/v1/policy_pb.ts';
import { LogprobKind } from '#proto/trajectory/v1/trajectory_pb.ts';
import { TerminalError } from '#platform/errors.ts';
import { scriptedServer, sidecar, stopAll, turnOf } from './sidecar-under-test.ts';

afterEach(stopAll);

const form = { kind: OutputFormKind.JSON_SCHEMA, definition: '{}' };

it('P4: a turn is held to its form, and its log-probabilities are of no kind that is trained on', async () => {
  const server = scriptedServer({ description: { forms: ['json_schema'], logprobs: 'processed' } });
  const { client } = await sidecar(server);
  expect(await client.describe({})).toMatchObject({ forms: [OutputFormKind.JSON_SCHEMA] });
  const formed = await client.generate(turnOf({ form }, { topP: 0.5 }));
  expect(formed.logprobKind).toBe(LogprobKind.FORMED);
  expect(server.requests.at(-1)?.form).toEqual({ kind: 'json_schema', definition: '{}' });
  expect((await client.generate(turnOf())).logprobKind).toBe(LogprobKind.TEMPERED);
  expect(server.requests.at(-1)?.form).toBeUndefined();
});

it('P9: a form that the server does not have is refused with those that it has', async () => {
  const { client } = await sidecar(scriptedServer({ description: { forms: ['regex'] } }));
  await expect(client.generate(turnOf({ form }))).rejects.toMatchObject({
    code: 'unimplemented',
    message: expect.stringContaining('form.kind is json_schema; this server holds turns to regex'),
  });
});

it('a definition that the server refuses is an invalid argument, and no fault of the engine', async () => {
  const turn = (): never => {
    throw new TerminalError('failed_precondition', 'scripted answered 400: no such type', { details: { status: 400 } });
  };
  const { client } = await sidecar(scriptedServer({ description: { forms: ['json_schema'] }, turn }));
  await expect(client.generate(turnOf({ form }))).rejects.toMatchObject({
    code: 'invalid_argument',
    message: expect.stringContaining('form.definition: scripted answered 400: no such type'),
  });
});
