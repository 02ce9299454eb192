/** OpenAI's client asks for JSON: in an evaluation with an engine that can, and where it is refused. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { OutputFormKind } from '#proto/policy/v1/policy_pb.ts';
import { FailureClass } from '#proto/rollout/v1/result_pb.ts';
import { Purpose } from '#proto/rollout/v1/task_pb.ts';
import { TerminalError } from '#platform/errors.ts';
import { startScriptedEngine } from '../fakes/scripted-engine.ts';
import { tokenizerPath, useRolloutFleet } from '../rollout/fleet.ts';
import { agentFolder, agentTask, modelWithTemplate } from './agents.ts';

const startFleet = useRolloutFleet();

const agent = `import { writeFileSync } from 'node:fs';
import OpenAI from 'openai';
const client = new OpenAI({ maxRetries: 0 });
const schema = { type: 'object', properties: { name: { type: 'string' } } };
const ask = (call) => client.chat.completions.create({ model: 'any', messages: [{ role: 'user', content: 'Who?' }], ...call })
  .then(({ choices }) => choices[0].message.content, ({ status, code, param }) => [status, code, param]);
const response_format = { type: 'json_schema', json_schema: { name: 'n', schema } };
const told = [await ask({ response_format }), await ask({ structured_outputs: { regex: '[ab]' } }), await ask({})];
writeFileSync('told.json', JSON.stringify(told));`;

async function play(purpose: Purpose, refuses = false) {
  const folder = await agentFolder({ 'agent.mjs': agent });
  const forms = [OutputFormKind.JSON_SCHEMA];
  const engine = await startScriptedEngine({
    tokenizer: tokenizerPath,
    gives: { forms },
    script({ request }) {
      if (request.form !== undefined && refuses)
        throw new TerminalError('invalid_argument', 'form.definition: no schema', {
          details: { field: 'form.definition' },
        });
      return request.form === undefined ? 'She.' : '{"name": "She"}';
    },
  });
  const fleet = await startFleet({
    script: () => '',
    engine: { address: engine.address, tokenizer: tokenizerPath },
    tokenizer: await modelWithTemplate(),
  });
  await fleet.publish(agentTask('forms', { directory: folder, command: [process.execPath, 'agent.mjs'] }, { purpose }));
  const result = await fleet.resultOf('forms');
  expect(result).toMatchObject({ failure: FailureClass.UNSPECIFIED, failureDetail: '' });
  const { segments } = await fleet.trajectoryOf(result);
  const told: unknown = JSON.parse(await readFile(join(folder, 'told.json'), 'utf8'));
  await engine.kill();
  return { told, asked: engine.generated.map(({ request }) => request.form), texts: segments.map(({ text }) => text) };
}

const form = expect.objectContaining({
  kind: OutputFormKind.JSON_SCHEMA,
  definition: '{"type":"object","properties":{"name":{"type":"string"}}}',
});

test('an evaluation holds a turn to the form that its agent asks for; one that no engine can is refused by name', async () => {
  const { told, asked } = await play(Purpose.EVAL);
  expect(told).toEqual(['{"name": "She"}', [400, 'unsupported_value', 'structured_outputs'], 'She.']);
  expect(asked).toEqual([form, undefined]);
});

test('P4: where turns are trained on no form reaches an engine', async () => {
  const { told, asked } = await play(Purpose.TRAIN);
  const refused = [400, 'unsupported_value', 'response_format'];
  expect(told).toEqual([refused, [400, 'unsupported_value', 'structured_outputs'], 'She.']);
  expect(asked).toEqual([undefined]);
});

test('a definition that the engine refuses is refused to the agent, and nothing of it is recorded', async () => {
  const { told, texts } = await play(Purpose.EVAL, true);
  expect(told).toEqual([
    [400, 'invalid_value', 'response_format'],
    [400, 'unsupported_value', 'structured_outputs'],
    'She.',
  ]);
  expect(texts).toEqual(['user: Who?<|end|>\nassistant: ', 'She.']);
});
