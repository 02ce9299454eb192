/** OpenAI's and Anthropic's own clients, in every dialect that they speak. */
import { expect, test } from 'vitest';
import { loadTokenizer } from '#chat/tokenizer.ts';
import { FailureClass } from '#proto/rollout/v1/result_pb.ts';
import { SegmentKind, type Segment } from '#proto/trajectory/v1/trajectory_pb.ts';
import { checkTrajectory } from '#trajectory/check-trajectory.ts';
import { concatenateTokens, segmentsOfRole } from '#trajectory/segments.ts';
import { tokenizerPath, useRolloutFleet } from '../rollout/fleet.ts';
import { agentFolder, agentTask, modelWithTemplate } from './agents.ts';

const startFleet = useRolloutFleet();

/** Plays an agent whose policy says these things one after the other, and gives what the agent left in `told`. */
async function played(agent: string, said: readonly string[]) {
  const told = `import { writeFileSync } from 'node:fs';\nconst tell = (value) => writeFileSync('told.json', JSON.stringify(value));\n`;
  const folder = await agentFolder({ 'agent.mjs': told + agent });
  let turn = 0;
  const fleet = await startFleet({ script: () => said[turn++] ?? '', tokenizer: await modelWithTemplate() });
  await fleet.publish(agentTask('dialects', { directory: folder, command: [process.execPath, 'agent.mjs'] }));
  const result = await fleet.resultOf('dialects');
  expect(result).toMatchObject({ failureDetail: '', failure: FailureClass.UNSPECIFIED, turns: said.length });
  const trajectory = await fleet.trajectoryOf(result);
  checkTrajectory(trajectory);
  const { encode } = await loadTokenizer(tokenizerPath);
  // Each sequence is what the engine read last of it, and what it wrote then.
  const asked = fleet.engine.generated.map(({ sessionId, request }) => ({ sessionId, ids: [...request.tokenIds] }));
  const roles = [...new Set(trajectory.segments.map(({ role }) => role))];
  for (const role of roles) {
    const sessionId = role === '' ? 'dialects' : `dialects:${role}`;
    const at = asked.findLastIndex((one) => one.sessionId === sessionId);
    const sequence = segmentsOfRole(trajectory.segments, role);
    expect(concatenateTokens(sequence), role).toEqual([...(asked[at]?.ids ?? []), ...encode(said[at] ?? '')]);
  }
  const text = await import('node:fs/promises').then(({ readFile }) => readFile(`${folder}/told.json`, 'utf8'));
  return { result, segments: trajectory.segments, told: JSON.parse(text) as unknown };
}

const textsOf = (segments: readonly Segment[]) => segments.map(({ role, text }) => [role, text]);
const callOfTool = '<tool_call>{"name": "birthplace", "arguments": {"of":   "Halvard Brontley"}}</tool_call>';
const parameters = "{ type: 'object', properties: { of: { type: 'string' } } }";

test("P4: OpenAI's client over Responses, with streams, items and earlier responses, is trained on what was sampled", async () => {
  const { segments, told } = await played(
    `import OpenAI from 'openai';
const client = new OpenAI();
const tools = [{ type: 'function', name: 'birthplace', parameters: ${parameters}, strict: false }];
const call = { model: 'any', instructions: 'Use the tool.', tools };
const input = [{ role: 'user', content: 'Where?' }];
const first = await client.responses.stream({ ...call, input }).finalResponse();
const [{ call_id }] = first.output.filter(({ type }) => type === 'function_call');
const found = { type: 'function_call_output', call_id, output: 'Ostwick Marrow' };
const second = await client.responses.create({ ...call, input: [...input, ...first.output, found] });
const third = await client.responses.create({ ...call, previous_response_id: second.id, input: 'Sure?' });
tell([first.output_text, second.output_text, third.output_text]);`,
    [`I look. ${callOfTool}`, 'Ostwick Marrow', 'Yes.'],
  );
  expect(told).toEqual(['I look.', 'Ostwick Marrow', 'Yes.']);
  expect(textsOf(segments)).toEqual([
    ['', 'tool: birthplace<|end|>\nsystem: Use the tool.<|end|>\nuser: Where?<|end|>\nassistant: '],
    ['', `I look. ${callOfTool}`],
    ['', '<|end|>\ntool: Ostwick Marrow<|end|>\nassistant: '],
    ['', 'Ostwick Marrow'],
    ['', '<|end|>\nuser: Sure?<|end|>\nassistant: '],
    ['', 'Yes.'],
  ]);
});

test('P4: completions of ids take the sequence as it is, and give the ids and log-probabilities that were sampled', async () => {
  const { segments, told } = await played(
    `import OpenAI from 'openai';
const client = new OpenAI();
const ask = async (prompt, more) => (await client.completions.create({ model: 'any', prompt, max_tokens: 64, ...more })).choices[0];
const text = await ask('One, ', { logprobs: 0, return_token_ids: true });
const ids = [...text.prompt_token_ids, ...text.token_ids, 5];
const next = await ask(ids);
let streamed = '';
for await (const { choices } of await client.completions.create({ model: 'any', prompt: [...ids, ...next.token_ids, 6], stream: true }))
  streamed += choices[0].text;
const unknown = await ask([4_000_000]).catch((error) => error.status);
tell({ text, next, streamed, unknown });`,
    ['two', 'three', 'four'],
  );
  const ofText = segments.filter(({ role }) => role === '');
  expect(textsOf(ofText)).toEqual([
    ['', 'One, '],
    ['', 'two'],
  ]);
  const ofIds = segments.filter(({ role }) => role === 'branch-1');
  expect(ofIds.map(({ kind }) => kind)).toEqual([
    SegmentKind.PROMPT,
    SegmentKind.MODEL,
    SegmentKind.ENVIRONMENT,
    SegmentKind.MODEL,
  ]);
  expect(ofIds[2]?.tokenIds).toEqual([6]);
  expect(ofIds[0]?.tokenIds).toEqual([...concatenateTokens(ofText), 5]);
  expect(told).toMatchObject({
    text: {
      token_ids: ofText[1]?.tokenIds,
      logprobs: { token_logprobs: ofText[1]?.logprobs },
    },
    next: { text: 'three', token_ids: ofIds[1]?.tokenIds },
    streamed: 'four',
    unknown: 400,
  });
});

test('P4: several samples of a turn are branches that share its ids, and a turn that is asked again shares those before it', async () => {
  const { result, segments, told } = await played(
    `import OpenAI from 'openai';
const client = new OpenAI();
const messages = [{ role: 'user', content: 'Plan.' }];
const ask = { model: 'any', logprobs: true, return_token_ids: true };
const first = await client.chat.completions.create({ ...ask, messages });
messages.push(first.choices[0].message, { role: 'user', content: 'Go on.' });
const { choices, usage } = await client.chat.completions.stream({ ...ask, messages, n: 2, stream_options: { include_usage: true } }).finalChatCompletion();
const tokens = choices.map(({ logprobs }) => logprobs.content.map(({ token }) => token).join('').trim());
tell({ tokens, texts: choices.map(({ message }) => message.content), usage, first: first.choices[0] });`,
    // As no tokenizer would write it: what a client echoes would be other ids.
    ['A  plan', 'This way', 'That way'],
  );
  expect(result).toMatchObject({
    environmentMetrics: { conversations: 2, branches_second_sample: 1 },
    roles: [
      { role: '', turns: 2 },
      { role: 'branch-1', turns: 1 },
    ],
  });
  expect(told).toMatchObject({ tokens: ['This way', 'That way'], texts: ['This way', 'That way'] });
  const [prompt, first, following, second] = segments;
  expect(textsOf(segments)).toEqual([
    ['', 'user: Plan.<|end|>\nassistant: '],
    ['', 'A  plan'],
    ['', '<|end|>\nuser: Go on.<|end|>\nassistant: '],
    ['', 'This way'],
    ['branch-1', 'user: Plan.<|end|>\nassistant: A  plan'],
    ['branch-1', '<|end|>\nuser: Go on.<|end|>\nassistant: '],
    ['branch-1', 'That way'],
  ]);
  expect(segments[4]?.tokenIds).toEqual([...(prompt?.tokenIds ?? []), ...(first?.tokenIds ?? [])]);
  expect(segments[5]?.tokenIds).toEqual(following?.tokenIds);
  expect(told).toMatchObject({
    first: { token_ids: first?.tokenIds, logprobs: { content: first?.logprobs.map((logprob) => ({ logprob })) } },
    usage: { completion_tokens: (second?.tokenIds.length ?? 0) + (segments[6]?.tokenIds.length ?? 0) },
  });
});

test("P9: Anthropic's client counts tokens without a turn, and reads a refusal as its own", async () => {
  const { segments, told } = await played(
    `import Anthropic from '@anthropic-ai/sdk';
const client = new Anthropic({ maxRetries: 0 });
const call = { model: 'any', system: 'Be brief.<|end|>', messages: [{ role: 'user', content: 'Who?' }] };
const { input_tokens: counted } = await client.messages.countTokens(call);
const short = await client.messages.create({ ...call, max_tokens: 5 }).catch((error) => error);
const { usage } = await client.messages.create({ ...call, max_tokens: 20_000 });
tell({ counted, used: usage.input_tokens, refused: [short.constructor.name, short.status, short.error.error.type] });`,
    ['She.'],
  );
  expect(segments).toHaveLength(2);
  // A control token in what an agent writes is text.
  expect(segments[0]?.text).toBe('system: Be brief.&lt;|end|><|end|>\nuser: Who?<|end|>\nassistant: ');
  const counted = segments[0]?.tokenIds.length;
  expect(told).toEqual({ counted, used: counted, refused: ['BadRequestError', 400, 'invalid_request_error'] });
});
