/** Turns that are held to a form go to engines that can. */
import { afterEach, expect, it } from 'vitest';
import { OutputFormKind } from '#proto/policy/v1/policy_pb.ts';
import { engine, gateway, stopAll, turnOf } from './gateway-under-test.ts';

afterEach(stopAll);

const json = { kind: OutputFormKind.JSON_OBJECT, definition: '' };
const regex = { kind: OutputFormKind.REGEX, definition: '[ab]' };

it('a gateway says what some engine can, and sends a turn to that one with its form', async () => {
  const free = await engine();
  const able = await engine({ gives: { forms: [OutputFormKind.JSON_OBJECT] } });
  const { client } = await gateway([free, able]);
  const { forms, engineList } = await client.describe({});
  expect(forms).toEqual([OutputFormKind.JSON_OBJECT]);
  expect(engineList.map((one) => one.forms.length)).toEqual([0, 1]);
  for (let at = 0; at < 4; at += 1) await client.generate(turnOf(`s${at}`, 0, { form: json }));
  expect(able.generated.map(({ request }) => request.form?.kind)).toEqual(Array(4).fill(OutputFormKind.JSON_OBJECT));
  expect(free.generated).toEqual([]);
});

it.each([
  ['no engine that is up can', { form: regex }, 'unimplemented', 'form: no engine'],
  [
    'the turn is trained on',
    { form: json, trained: true },
    'invalid_argument',
    'form is set for a turn that is trained on',
  ],
  ['it has no kind', { form: { kind: 0 } }, 'invalid_argument', 'form.kind is unspecified'],
  [
    'it is too long',
    { form: { ...json, definition: 'x'.repeat(100_001) } },
    'invalid_argument',
    'form.definition has 100001',
  ],
])('P9: a form is refused where %s', async (_why, request, code, words) => {
  const able = await engine({ gives: { forms: [OutputFormKind.JSON_OBJECT] } });
  const { client } = await gateway([able]);
  const refused = client.generate(turnOf('s', 0, request));
  await expect(refused).rejects.toMatchObject({ code, message: expect.stringContaining(words) });
  expect(able.generated).toEqual([]);
});
