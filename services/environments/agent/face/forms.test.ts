/** Turns that are held to a form: JSON, an expression, a grammar. */
import { expect, test } from 'vitest';
import type { TurnFormKind } from '../../kit/environment.ts';
import { openFace, written } from './face-under-test.ts';

const schema = { type: 'object', properties: { name: { type: 'string' } }, required: ['name'] };
const messages = [{ role: 'user', content: 'Who?' }];
const text = JSON.stringify(schema);
const all: readonly TurnFormKind[] = ['json_object', 'json_schema', 'regex', 'grammar'];

/** Path, what is asked, the field that asks for the form, and the form. */
const requests: readonly (readonly [string, object, string, object])[] = [
  [
    '/chat/completions',
    { messages, response_format: { type: 'json_schema', json_schema: { name: 'n', strict: true, schema } } },
    'response_format',
    { kind: 'json_schema', definition: text },
  ],
  [
    '/chat/completions',
    { messages, response_format: { type: 'json_object' } },
    'response_format',
    { kind: 'json_object', definition: '' },
  ],
  [
    '/chat/completions',
    { messages, structured_outputs: { grammar: 'root ::= "a"' } },
    'structured_outputs',
    { kind: 'grammar', definition: 'root ::= "a"' },
  ],
  [
    '/completions',
    { prompt: 'Who?', structured_outputs: { regex: '[ab]+' } },
    'structured_outputs',
    { kind: 'regex', definition: '[ab]+' },
  ],
  [
    '/responses',
    { input: 'Who?', text: { format: { type: 'json_schema', name: 'n', schema } } },
    'text.format',
    { kind: 'json_schema', definition: text },
  ],
  [
    '/messages',
    { messages, max_tokens: 64, output_config: { format: { type: 'json_schema', schema } } },
    'output_config.format',
    { kind: 'json_schema', definition: text },
  ],
];

const refusalAt = (path: string, code: string, field: string) =>
  path === '/messages'
    ? { type: 'error', error: { message: expect.stringContaining(field), details: { error_code: code } } }
    : { error: { message: expect.stringContaining(field), param: field, code } };

test.each(requests)('a form that %s asks for is what the turn is held to', async (path, body, _field, form) => {
  const { session, post } = await openFace(path, { forms: async () => all });
  const answer = post({ model: 'any', ...body });
  const asked = await session.asked();
  expect(session.listener(asked).form).toEqual(form);
  session.answer(written(0, '{"name": "She"}'));
  expect((await answer).text).toContain('She');
});

test.each(requests)('P9: a form that no engine can is refused in the words of %s', async (path, body, field) => {
  const { post } = await openFace(path, { forms: async () => [] });
  expect(await post({ model: 'any', ...body })).toMatchObject({
    status: 400,
    json: refusalAt(path, 'unsupported_value', field),
  });
});

test.each(requests)('P4: a form is refused by %s where turns are trained on', async (path, body, field) => {
  const { post } = await openFace(path, { forms: async () => all, trained: true });
  const refused = await post({ model: 'any', ...body });
  expect(refused).toMatchObject({ status: 400, json: refusalAt(path, 'unsupported_value', field) });
  expect(refused.text).toContain('trained on');
});

test.each(requests)(
  'a definition that an engine refuses is refused by %s, and the session lives',
  async (path, body, field) => {
    const { session, post } = await openFace(path, { forms: async () => all });
    const answer = post({ model: 'any', ...body });
    const asked = await session.asked();
    const { gone, refused } = session.listener(asked);
    refused?.('vllm answered 400: no such type');
    expect(gone.aborted).toBe(true);
    expect(await answer).toMatchObject({ status: 400, json: refusalAt(path, 'invalid_value', field) });
    expect([session.conversations(), session.abandoned()]).toEqual([0, 0]);
  },
);

test('a turn that may call tools is not held to a form', async () => {
  const { post } = await openFace('/chat/completions', { forms: async () => all });
  const tools = [{ type: 'function', function: { name: 'look', parameters: { type: 'object' } } }];
  const body = { model: 'any', messages, tools, response_format: { type: 'json_object' } };
  expect(await post(body)).toMatchObject({ status: 400, json: refusalAt('', 'unsupported_value', 'response_format') });
});

test('a schema that is none is refused with the place that is wrong', async () => {
  const { post } = await openFace('/chat/completions', { forms: async () => all });
  const json_schema = { name: 'n', schema: { type: 'object', properties: { a: { type: 'text' } } } };
  const field = 'response_format.json_schema.schema.properties.a.type';
  expect(await post({ model: 'any', messages, response_format: { type: 'json_schema', json_schema } })).toMatchObject({
    status: 400,
    json: refusalAt('', 'invalid_value', field),
  });
});
