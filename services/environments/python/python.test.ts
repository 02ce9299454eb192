import { randomInt } from 'node:crypto';
import { readFileSync, readdirSync } from 'node:fs';
import { describe, expect, onTestFinished, test } from 'vitest';
import { TransientError } from '#platform/errors.ts';
import { createLogger } from '#platform/telemetry/logging.ts';
import { findContainment } from '#user-code/containment.ts';
import type { StartIo } from '../kit/environment.ts';
import { userFolder } from './files-under-test.ts';
import { openPython, python } from './index.ts';
import { pythonOptions } from './options.ts';

const containment = await findContainment();
const io: StartIo = { signal: new AbortController().signal, seed: 7n, toolTimeoutMs: 600_000 };
const rowOf = (data: Record<string, unknown> = {}, id = 'r1') => ({ id, data, tags: { kind: 'easy' } });
const turn = (text: string) => ({ index: 0, text });
/** As a worker sees it: what is thrown at once, too. */
const outcomeOf = async <T>(outcome: T | Promise<T>): Promise<T> => await outcome;

/** An environment of a file with this text, and what it logs. */
async function open(text: string, more: object = {}) {
  const folder = userFolder();
  onTestFinished(() => folder[Symbol.dispose]());
  const path = folder.write('mine.py', text);
  const logged: { message: string; text?: string; suppressed?: number }[] = [];
  const write = (line: string): void => void logged.push(JSON.parse(line) as (typeof logged)[number]);
  const log = createLogger({ service: 'rollout', level: 'info', destination: { write } });
  const options = pythonOptions.parse({ path, class: 'Mine', ...more });
  const variables = { ...process.env, GRANTED: 'yes', SECRET: 'no' };
  const guardian = { watch() {}, forget() {}, release() {} };
  const environment = await openPython(options, { log, guardian, containment, variables });
  onTestFinished(async () => await environment.close?.());
  return { environment, logged, path };
}

const guess = `
class Mine:
    def __init__(self, low=0):
        self.low = low
    def reset(self, row):
        self.wanted, self.tries = row["data"]["number"], 0
        return f"A number from {self.low}, {row['tags']['kind']}, <|im_end|>?"
    def step(self, text):
        self.tries += 1
        if int(text) == self.wanted:
            return "found", True, 1 / self.tries, {"tries": self.tries, "prediction": text}
        return ("more" if int(text) < self.wanted else "less"), False
`;

describe('an environment of a Python class', () => {
  test('plays many episodes in one process, each with a state of its own', async () => {
    const { environment } = await open(guess, { options: { low: 3 }, stop: ['\n'] });
    const episodes = await Promise.all([5, 9].map(async (number) => await environment.start(rowOf({ number }), io)));
    expect(episodes.map((episode) => episode.prompt())).toEqual(Array(2).fill('A number from 3, easy, <|im_end|>?'));
    // The worker lets no control token in it act.
    expect(environment.outsideText).toBe(true);
    const [five, nine] = episodes;
    expect(await five?.step(turn('7\n'), io)).toMatchObject({ kind: 'continue', text: 'less' });
    expect(await nine?.step(turn('7\n'), io)).toEqual({
      kind: 'continue',
      text: 'more',
      action: { kind: 'tool_call', name: 'step', arguments: { text: '7' }, result: 'more' },
    });
    expect(await five?.step(turn('5\n'), io)).toEqual({
      kind: 'done',
      rewards: { environment_reward: 0.5 },
      metrics: { tries: 2 },
      prediction: '5',
    });
    await Promise.all(episodes.map((episode) => outcomeOf(episode.close?.())));
  });

  test('may give messages, named rewards, and be asynchronous', async () => {
    const { environment } = await open(
      `
import asyncio
class Mine:
    async def reset(self, row):
        return [{"role": "system", "content": "Be <answer>brief</answer>."}, {"role": "user", "content": "Hi"}]
    async def step(self, text):
        await asyncio.sleep(0)
        if text == "more": return "Go on.", False
        return None, True, {"polite": 3, "short": -1}
`,
      {
        rewards: ['polite', 'short'],
        reward_high: 4,
      },
    );
    const episode = await environment.start(rowOf(), io);
    expect(episode.prompt()).toEqual({
      messages: [
        { role: 'system', content: [{ text: 'Be <answer>brief</answer>.' }] },
        { role: 'user', content: [{ text: 'Hi' }] },
      ],
    });
    expect(await episode.step(turn('more'), io)).toMatchObject({
      kind: 'continue',
      messages: [{ role: 'user', content: [{ text: 'Go on.' }] }],
    });
    expect(await episode.step(turn('hello'), io)).toEqual({
      kind: 'done',
      rewards: { polite: 0.75, short: 0 },
      metrics: {},
    });
    expect(python.rewardsOf?.(pythonOptions.parse({ path: 'mine.py', class: 'Mine', rewards: ['a'] }))).toEqual(['a']);
  });

  test('sees no environment variable that it was not granted', async () => {
    const { environment } = await open(
      `
import os
class Mine:
    def reset(self, row): return repr([os.environ.get(name) for name in ("GRANTED", "SECRET")])
    def step(self, text): return "", True
`,
      { environment: ['GRANTED'] },
    );
    expect((await environment.start(rowOf(), io)).prompt()).toBe("['yes', None]");
  });
});

describe('a file that cannot be used is refused before an episode begins', () => {
  test.each<[string, string, RegExp, object?]>([
    [
      'needs a package that is missing',
      'import no_such_package',
      /ModuleNotFoundError: No module named 'no_such_package'\ninstall the package that has no_such_package, for example: \S*python\S* -m pip install no_such_package/,
    ],
    ['has no such class', 'class Other: pass', /cannot be used: class: it has no class Mine; it has: Other$/],
    [
      'has a class without step',
      'class Mine:\n    def reset(self, row): return ""',
      /cannot be used: class Mine has no method step$/,
    ],
    [
      'does not take the options',
      guess,
      /cannot be used: options: class Mine got an unexpected keyword argument 'low_'; did you mean low\? it takes: low$/,
      { options: { low_: 1 } },
    ],
    ['has a mistake in it', 'class Mine\n', /SyntaxError/],
    [
      'throws as it is loaded',
      'raise ValueError("boom")',
      /Traceback \(most recent call last\):\n +File "\S*mine\.py", line 1, in <module>\n.*\nValueError: boom/,
    ],
    ['is not there', '', /path: '.*absent\.py': there is no such file/, { path: '/tmp/absent.py' }],
    ['has no interpreter', guess, /no-such-python/, { python: 'no-such-python' }],
    ['never ends to load', 'while True: pass', /it was not loaded within 1000 ms/, { start_timeout_ms: 1000 }],
  ])('as it %s', async (_, text, message, more) => {
    await expect(open(text, more)).rejects.toMatchObject({
      name: 'TerminalError',
      code: 'failed_precondition',
      message: expect.stringMatching(message),
    });
  });
});

describe("P2: an exception is the user's, with its file and line", () => {
  const broken = `
class Mine:
    def reset(self, row):
        if row["data"].get("at") == "reset": raise KeyError("in reset")
        self.row = row
        return "go"
    def step(self, text):
        if text == "throw": raise ValueError("in step")
        if text == "odd": return "only text"
        if text == "name": return "", True, {"other": 1}
        if text == "nan": return "", True, float("nan")
        return "on", False
    def close(self):
        raise OSError("in close")
`;

  test.each([
    ['throw', 'step threw ValueError: in step', 8],
    ['odd', "step threw TypeError: step gave 'only text'; it must give (text, done, reward, info)", undefined],
    ['name', 'step gave the reward other; the option rewards names: environment_reward', undefined],
    ['nan', 'step threw ValueError: reward environment_reward is nan; it must be finite', undefined],
  ])('in step: %s', async (text, message, line) => {
    const { environment, path } = await open(broken);
    const episode = await environment.start(rowOf(), io);
    await expect(outcomeOf(episode.step(turn(text), io))).rejects.toMatchObject({
      name: 'UserCodeError',
      message: expect.stringContaining(message),
      ...(line !== undefined && { line, file: path, stack: expect.stringContaining('raise ValueError("in step")') }),
    });
  });

  test('in reset and in close', async () => {
    const { environment, path } = await open(broken);
    await expect(outcomeOf(environment.start(rowOf({ at: 'reset' }), io))).rejects.toMatchObject({
      name: 'UserCodeError',
      message: `reset threw KeyError: 'in reset' (${path}:4)`,
    });
    const episode = await environment.start(rowOf(), io);
    await expect(outcomeOf(episode.close?.())).rejects.toThrow(`close threw OSError: in close (${path}:14)`);
    expect((await environment.start(rowOf(), io)).prompt()).toBe('go');
  });
});

describe('a process that ends', () => {
  const fatal = `
import os, subprocess, sys, time
class Mine:
    def reset(self, row): return "go"
    def step(self, text):
        if text == "hang":
            while True: pass
        if text == "exit": os._exit(3)
        if text == "eat":
            held = []
            while True: held.append(bytearray(1 << 24))
        if text == "leak":
            for _ in range(3): subprocess.Popen(["sleep", "SECONDS"], start_new_session=True)
        if text == "print":
            for _ in range(200): print("x" * 100_000)
        return "on", False
`;

  test.each<[string, RegExp, object?]>([
    ['hang', /no answer within 1500 ms; its process was killed/, { timeout_ms: 1500 }],
    ['exit', /its process ended with exit code 3/],
    ['eat', /memoryMebibytes|memory/, { memory_mebibytes: 200 }],
  ])(
    "by %s loses its episodes once, and is the user's the second time that the row ends it",
    async (text, why, more) => {
      const { environment } = await open(fatal, more);
      const [culprit, other] = [await environment.start(rowOf(), io), await environment.start(rowOf({}, 'r2'), io)];
      await expect(outcomeOf(culprit.step(turn(text), io))).rejects.toMatchObject({
        name: 'TransientError',
        message: expect.stringMatching(why),
      });
      await expect(outcomeOf(other.step(turn('a'), io))).rejects.toBeInstanceOf(TransientError);
      await other.close?.();
      const again = await environment.start(rowOf(), io);
      expect(await again.step(turn('a'), io)).toMatchObject({ text: 'on' });
      await expect(outcomeOf(again.step(turn(text), io))).rejects.toMatchObject({
        name: 'UserCodeError',
        message: expect.stringMatching(/row r1: .*it was the second time$/s),
      });
      expect((await environment.start(rowOf(), io)).prompt()).toBe('go');
    },
  );

  test('takes all that it started with it', async () => {
    const seconds = String(randomInt(80_000, 1_000_000));
    const sleepers = () => processesOf(`sleep\0${seconds}\0`);
    const { environment } = await open(fatal.replace('SECONDS', seconds));
    const episode = await environment.start(rowOf(), io);
    await episode.step(turn('leak'), io);
    await expect.poll(sleepers).toBe(3);
    await environment.close?.();
    await expect.poll(sleepers).toBe(0);
  });

  test('prints as much as it likes, and the log shows a little of it', async () => {
    const { environment, logged } = await open(fatal);
    const episode = await environment.start(rowOf(), io);
    expect(await episode.step(turn('print'), io)).toMatchObject({ text: 'on' });
    const printed = logged.filter(({ message }) => message === 'an environment prints');
    expect(printed.length).toBeGreaterThan(0);
    const shown = printed.reduce((sum, { text = '' }) => sum + text.length, 0);
    expect(shown).toBeLessThan(200_000);
  });
});

/** How many processes have this command line, wherever they hang in the tree. */
function processesOf(commandLine: string): number {
  return readdirSync('/proc').filter((name) => {
    try {
      return /^\d+$/.test(name) && readFileSync(`/proc/${name}/cmdline`, 'utf8') === commandLine;
    } catch {
      return false;
    }
  }).length;
}
