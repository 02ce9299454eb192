/**
 * Watches the thread that runs a user's environment, from a second thread. When that makes no beat for the time of a call, it asks the debugger
 * where it is and which call it serves, and says so in the place of that call's reply: the worker ends the process. Beats are counted, not time: a
 * machine that sleeps holds nobody.
 */
import { writeSync } from 'node:fs';
import { Session } from 'node:inspector';
import { dirname } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { workerData } from 'node:worker_threads';
import { beatMs, cell } from './calls.ts';

interface Place {
  readonly call?: number;
  readonly file?: string;
  readonly line?: number;
}

/** For the debugger; code of the system (a program that is waited for) is not interrupted. */
const askingMs = 10_000;

const { shared, file } = workerData as { readonly shared: Int32Array; readonly file: string };
const channel = 3;

let seen = -1;
let still = 0;
const watching = setInterval(() => {
  const beats = Atomics.load(shared, cell.beats);
  still = beats === seen ? still + 1 : 0;
  seen = beats;
  const limitMs = Atomics.load(shared, cell.limitMs);
  if (limitMs === 0 || still * beatMs < limitMs) return;
  clearInterval(watching);
  void end(still * beatMs);
}, beatMs);

async function end(ms: number): Promise<void> {
  const place = await Promise.race([whereItIs(), new Promise<Place>((done) => setTimeout(done, askingMs, {}))]);
  const { call = Atomics.load(shared, cell.entered), ...at } = place;
  writeSync(channel, `${JSON.stringify({ id: call, held: { ms, ...at } })}\n`);
}

async function whereItIs(): Promise<Place> {
  const session = new Session();
  session.connectToMainThread();
  const urls = new Map<string, string>();
  session.on('Debugger.scriptParsed', ({ params }) => urls.set(params.scriptId, params.url));
  const paused = new Promise<Place>((resolve) => {
    session.on('Debugger.paused', ({ params: { callFrames } }) => {
      const [top] = callFrames;
      if (top === undefined) return resolve({});
      const folder = pathToFileURL(`${dirname(file)}/`).href;
      const urlOf = ({ location }: typeof top): string => urls.get(location.scriptId) ?? '';
      const own = callFrames.find((frame) => urlOf(frame).startsWith(folder)) ?? top;
      const url = urlOf(own);
      const at = url.startsWith('file:')
        ? { file: fileURLToPath(new URL(url)), line: own.location.lineNumber + 1 }
        : {};
      const asked = { callFrameId: top.callFrameId, expression: "globalThis[Symbol.for('gradus.call')]()" };
      session.post('Debugger.evaluateOnCallFrame', asked, (_error, evaluated) => {
        const { result } = Object(evaluated) as { readonly result?: { readonly value?: unknown } };
        const call = result?.value;
        resolve({ ...at, ...(typeof call === 'number' && call > 0 && { call }) });
      });
    });
  });
  session.post('Debugger.enable');
  session.post('Debugger.pause');
  return await paused;
}
