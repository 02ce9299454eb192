import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, expect, it } from 'vitest';
import { temporaryDirectory } from '#platform/files/directory-under-test.ts';
import { claimHome } from '../../services/fleet/claim-home.ts';
import { rewardTryCommand, type RewardTryOptions } from '../../services/cli/commands/reward-try.ts';
import { createColours } from '../../services/cli/terminal/colours.ts';
import { textOf, type Terminal } from '../../services/cli/terminal/terminal.ts';
import { startRolloutFleet } from '../rollout/fleet.ts';
import { taskOf } from '../rollout/task.ts';

const cleanups: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (let next = cleanups.pop(); next !== undefined; next = cleanups.pop()) await next();
});

const files = {
  'frugal.ts': `import { defineScorer, z } from 'gradus/scorer';
export default defineScorer({
  settings: z.strictObject({ each: z.number().default(0.25) }),
  score({ turns, prediction }, { each }) {
    console.log('turns', turns.length);
    return prediction === 'Verland Coast' ? each * turns.length : 0;
  },
});`,
  'throws.ts': `import { defineScorer } from 'gradus/scorer';
export default defineScorer({
  score({ turns }) {
    return turns[9].text.length;
  },
});`,
  'reward.py': `def compute_score(data_source, solution_str, ground_truth, extra_info=None):
    print("truth", ground_truth)
    return {"score": float(extra_info["prediction"] == ground_truth)}

def mine(data_source, solution_str, ground_truth, extra_info=None):
    return extra_info["settings"]["boom"]
`,
};

it('a scorer is tried on a recorded rollout: its number, what it printed and was given, or the exception with file and line', async () => {
  const fleet = await startRolloutFleet({ script: () => '<answer> Verland Coast </answer>' });
  cleanups.push(() => fleet[Symbol.asyncDispose]());
  await fleet.publish(taskOf('played-1'));
  await fleet.resultOf('played-1');
  const home = await temporaryDirectory('gradus-try-');
  const paths = { model: '', train: '', held_out: '', corpus: '' };
  const nothing = { recipePath: '', key: '', paths, inputs: [], logs: '', services: [] };
  const claim = await claimHome(home, { ...nothing, owner: 'up', natsUrl: fleet.natsUrl });
  cleanups.push(() => claim.release());
  for (const [name, text] of Object.entries(files)) await writeFile(join(home, name), text);

  const tried = async (name: string, more: Partial<RewardTryOptions> = {}) => {
    const out: string[] = [];
    const notes: string[] = [];
    const terminal: Terminal = {
      out: (lines) => void out.push(textOf(lines)),
      err: (lines) => void notes.push(textOf(lines)),
      status: () => {},
      interactive: false,
      columns: 100,
      colours: createColours(false),
    };
    const options = { home, option: [], declare: [], given: false, json: false, ...more };
    const code = await rewardTryCommand(join(home, name), 'played', options, terminal);
    return { code, text: out.join('\n'), notes: notes.join('\n') };
  };

  const scored = await tried('frugal.ts', { option: ['each=0.5'], given: true });
  expect(scored.code).toBe(0);
  expect(scored.text).toMatch(/settings \{"each":0\.5\}, rollout played-1: 0\.5, 0\.5 from 0 to 1, in \d+ ms/);
  expect(scored.notes).toContain('printed: turns 1');
  expect(scored.text).toContain('"prediction": "Verland Coast"');

  const ranged = await tried('frugal.ts', { declare: ['low=0', 'high=2'], option: ['each=1'], json: true });
  expect(JSON.parse(ranged.text)).toMatchObject({
    rollout: 'played-1',
    score: { raw: 1, value: 0.5 },
    settings: { each: 1 },
  });

  const threw = await tried('throws.ts');
  expect(threw.code).toBe(2);
  expect(threw.text).toMatch(
    /no score after \d+ ms: threw\nTypeError: Cannot read properties of undefined[^]*throws\.ts:4:/,
  );

  const verl = await tried('reward.py');
  expect(verl.notes).toContain('printed: truth Verland Coast');
  expect(verl.text).toContain(': 1, 1 from 0 to 1');
  const inPython = await tried('reward.py', { declare: ['function=mine'] });
  expect(inPython.code).toBe(2);
  expect(inPython.text).toMatch(/reward\.py", line 6, in mine[^]*KeyError: 'boom'/);

  await expect(tried('frugal.ts', { option: ['eech=1'] })).rejects.toThrow(/its settings \{"eech":1\}: .*eech/);
  await expect(tried('frugal.ts', { declare: ['low=3'] })).rejects.toThrow(/--declare: high: must be more than low/);
  await expect(tried('absent.ts')).rejects.toThrow(/absent\.ts: /);
});
