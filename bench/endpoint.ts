/**
 * A scripted endpoint that knows the questions of a file, for `gradus eval --endpoint`: it searches for the question once, then answers,
 * rightly for the share of the questions that is asked for, which the hash of a question decides. Every 20th request fails.
 *
 *     node bench/endpoint.ts FILE [SHARE]
 *
 * Prints its URL and how many of the questions it answers rightly; runs until it is ended. What it shows is that the platform counts
 * what an endpoint says, nothing about a model.
 */
import { createHash } from 'node:crypto';
import { readRecords } from '../services/platform/records/read-records.ts';
import { startScriptedEndpoint } from '../tests/fakes/scripted-endpoint.ts';

/** Rows of SimpleQA, HotpotQA, MuSiQue and our own, which the command checks: only question and answer are wanted here. */
interface Asked {
  readonly question?: string;
  readonly problem?: string;
  readonly answer: string;
}

const [file = '', share = '0.6'] = process.argv.slice(2);
const answers = new Map<string, string>();
for await (const { value } of readRecords(file)) {
  const { question, problem = '', answer } = value as Asked;
  answers.set((question ?? problem).trim(), answer);
}

const isRight = (question: string): boolean =>
  createHash('sha256').update(question).digest().readUInt32BE() < Number(share) * 2 ** 32;

const server = await startScriptedEndpoint(({ messages }, call) => {
  if (call % 20 === 0) return { status: 503, body: 'overloaded' };
  const question = (messages.find(({ role }) => role === 'user')?.content ?? '').trim();
  if (messages.every(({ role }) => role !== 'assistant'))
    return `<tool>${JSON.stringify({ name: 'websearch', args: { query: question } })}</tool>`;
  return `<answer>${isRight(question) ? (answers.get(question) ?? 'unknown') : 'I do not know'}</answer>`;
});
const right = [...answers.keys()].filter(isRight).length;
process.stdout.write(`${server.baseUrl}\n${right} of ${answers.size} questions are answered rightly\n`);
