import { readFileSync, readdirSync } from 'node:fs';
import { copyFile, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'vitest';
import { SegmentKind } from '#proto/trajectory/v1/trajectory_pb.ts';
import type { Trajectory } from '#proto/trajectory/v1/trajectory_pb.ts';
import { temporaryDirectory } from '#platform/files/directory-under-test.ts';
import { repositoryRoot } from '#platform/repository.ts';
import { checkTrajectory } from '#trajectory/check-trajectory.ts';
import type { ScriptedEngine } from '../fakes/scripted-engine.ts';
import { tokenizerPath } from '../rollout/fleet.ts';
import { taskOf, type TaskOverrides } from '../rollout/task.ts';

const marked =
  "{% for tool in tools or [] %}{{ 'tool: ' + tool.function.name + '<|end|>\n' }}{% endfor %}" +
  "{% for message in messages %}{{ message.role + ': ' + message.content + '<|end|>\n' }}{% endfor %}" +
  "{% if not enable_thinking %}{{ 'assistant: ' }}{% endif %}";

/** The tokenizer of the tests with a chat template next to it: one in which `<|end|>` ends a message. */
export async function modelWithTemplate(template = marked): Promise<string> {
  const directory = await temporaryDirectory('gradus-agents-');
  await copyFile(tokenizerPath, join(directory, 'tokenizer.json'));
  await writeFile(join(directory, 'chat_template.jinja'), template);
  return join(directory, 'tokenizer.json');
}

/** A folder with these files, in which agents find our packages. */
export async function agentFolder(files: Readonly<Record<string, string>>): Promise<string> {
  const folder = await temporaryDirectory('gradus-agents-');
  await symlink(join(repositoryRoot, 'node_modules'), join(folder, 'node_modules'));
  for (const [name, text] of Object.entries(files)) await writeFile(join(folder, name), text);
  return folder;
}

/** An episode of an agent, scored by the match of its answer. */
export function agentTask(taskId: string, options: object, overrides: TaskOverrides = {}) {
  return taskOf(taskId, {
    environment: 'agent',
    // A starved machine starts a program in more than the 14 s of the default.
    environmentOptionsJson: JSON.stringify({ start_timeout_ms: 120_000, ...options }),
    scorers: [{ name: 'exact_match' }],
    composition: { weights: [{ name: 'exact_match', weight: 1 }] },
    ...overrides,
  });
}

/** The processes of this machine that have the text in their command. */
export function pidsNaming(text: string): readonly number[] {
  const named = readdirSync('/proc').filter((name) => {
    try {
      return /^\d+$/.test(name) && readFileSync(`/proc/${name}/cmdline`, 'utf8').includes(text);
    } catch {
      return false;
    }
  });
  return named.map(Number);
}

export function processesNaming(text: string): number {
  return pidsNaming(text).length;
}

/** P4: turn by turn, each sequence of the rollout is what the engine read, and each model segment what it sampled. */
export function expectTrainedAsSampled(trajectory: Trajectory, engine: ScriptedEngine): void {
  checkTrajectory(trajectory);
  const sequences = new Map<string, readonly number[]>();
  const turns = trajectory.segments.flatMap(({ role, kind, tokenIds }) => {
    const read = sequences.get(role) ?? [];
    sequences.set(role, [...read, ...tokenIds]);
    return kind === SegmentKind.MODEL ? [{ read, sampled: [...tokenIds] }] : [];
  });
  expect(turns).toEqual(engine.answered.map(({ read, sampled }) => ({ read, sampled })));
}
