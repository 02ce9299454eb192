/** A run of agents on policies/nano, which is given a chat template that any messages fit. */
import { cp, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { temporaryDirectory } from '#platform/files/directory-under-test.ts';
import { jsonLines } from '../fixtures/json-lines.ts';

const nano = resolve(import.meta.dirname, '../../policies/nano');
const template =
  "{% for message in messages %}{{ message.role + ': ' + message.content + '\\n' }}{% endfor %}{{ 'assistant: ' }}";

/** A recipe of two steps whose stage is rewarded by what agents give as `reward`. `fleet` is further fields of the fleet. */
export const agentRecipe = (name: string, options: string, reward: string, fleet: string): string => `
name: ${name}
seed: 5
model: { path: ./model }
data: { rows: { format: plain, train: rows.jsonl, held_out: 2 } }
environment: { name: agent, options: { ${options}, rewards: [${reward}] } }
fleet: { ${fleet}, concurrency: 8, engine: { max_context: 256, max_running: 32, threads: 1 }, learner: { threads: 1 } }
eval: { questions: 2, sampled: true, greedy: false }
stages:
  - name: asked
    limits: { context_tokens: 256, max_turns: 4, max_new_tokens: 16, tool_timeout_ms: 60000, turn_timeout_ms: 120000, rollout_timeout_ms: 300000 }
    deadlines: { group_ms: 600000, step_ms: 1200000 }
    rewards: { ${reward}: 1 }
    batch: { groups: 2, group_size: 4 }
    algorithm: { dynamic_sampling: false, learning_rate: 1.0e-4 }
    until: { steps: 2 }
`;

/** A folder with the model and the rows of the recipe, and these files. */
export async function agentFolder(files: Readonly<Record<string, string>>): Promise<string> {
  const directory = await temporaryDirectory('gradus-agent-');
  await cp(nano, join(directory, 'model'), { recursive: true });
  const rows = Array.from({ length: 8 }, (_, index) => ({ id: `r${index}`, data: { word: `word${index}` } }));
  const all = {
    'model/chat_template.jinja': template,
    'rows.jsonl': jsonLines(rows),
    ...files,
  };
  for (const [name, content] of Object.entries(all)) await writeFile(join(directory, name), content);
  return directory;
}
