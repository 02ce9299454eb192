/** The scripted engine for agents: `node engine-process.ts TOKENIZER TURNS LEAST..MOST`. Prints its address as one JSON line. */
import { startScriptedEngine } from '../../tests/fakes/scripted-engine.ts';
import { answerText, delayMs, lookupCall, parseRange } from './delays.ts';

const [tokenizer = '', turns = '', range = ''] = process.argv.slice(2);
const delays = parseRange(range);
const { address } = await startScriptedEngine({
  tokenizer,
  maxContextTokens: 65_536,
  script({ sessionId, turn }) {
    const took = delayMs(sessionId, turn, delays);
    if (turn >= Number(turns) - 1) return { text: answerText(took), delayMs: took };
    const { name, arguments: json } = lookupCall(turn, took);
    return { text: `<tool_call>{"name": "${name}", "arguments": ${json}}</tool_call>`, delayMs: took };
  },
});
process.stdout.write(`${JSON.stringify({ grpc: address })}\n`);
