/** Writes the reference pages of recipes and of each service's settings, from their schemas. Usage: write-reference.ts DIR */
import { execFileSync } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { z } from 'zod';
import { describeRecipe } from '../services/recipe/describe-recipe.ts';
import { programOf } from '../services/fleet/service-programs.ts';
import { describeConfig } from '../services/platform/runtime/config-text.ts';
import { artefactsConfig } from '../services/artefacts/config.ts';
import { coordinatorConfig } from '../services/coordinator/config.ts';
import { policyConfig } from '../services/policy/config.ts';
import { retrievalConfig } from '../services/retrieval/config.ts';
import { rewardConfig } from '../services/reward/config.ts';
import { rolloutConfig } from '../services/rollout/config.ts';
import { endpointPolicyConfig } from '../services/endpoint-policy/config.ts';
import { engineSidecarConfig } from '../services/engine-sidecar/config.ts';
import { scriptedEngineConfig } from '../services/scripted/engine/config.ts';
import { scriptedJudgeConfig } from '../services/scripted/judge/config.ts';
import { scriptedLearnerConfig } from '../services/scripted/learner/config.ts';
import { describeVariables } from './reference/environment-variables.ts';
import { describePrometheus } from './reference/prometheus.ts';

const services: Readonly<Record<string, z.ZodType>> = {
  coordinator: coordinatorConfig,
  rollout: rolloutConfig,
  policy: policyConfig,
  retrieval: retrievalConfig,
  reward: rewardConfig,
  artefacts: artefactsConfig,
  'endpoint-policy': endpointPolicyConfig,
  'engine-sidecar': engineSidecarConfig,
  'scripted-engine': scriptedEngineConfig,
  'scripted-learner': scriptedLearnerConfig,
  'scripted-judge': scriptedJudgeConfig,
};

const directory = process.argv[2];
if (directory === undefined) throw new Error('give the folder to write to');
await mkdir(directory, { recursive: true });
await writeFile(join(directory, 'recipe.md'), describeRecipe());
const texts = Object.entries(services).map(([name, schema]) => [name, describeConfig(`gradus serve ${name}`, schema)]);
for (const name of ['engine', 'learner'] as const) {
  const { command, args, env } = programOf(name);
  texts.push([name, execFileSync(command, [...args, '--help'], { env: { ...process.env, ...env }, encoding: 'utf8' })]);
}
const sections = texts.map(([name, text = '']) => `## ${name}\n\n\`\`\`\n${text.trimEnd()}\n\`\`\`\n`);
const head = `# Settings of the services

Generated from the schemas. Every flag is also a key of the file (\`--nats-url\` is \`natsUrl\`) and a variable of the environment
(\`GRADUS_NATS_URL\`). \`gradus serve SERVICE --help\` prints the same.
`;
await writeFile(join(directory, 'services.md'), [head, ...sections].join('\n'));
await writeFile(join(directory, 'prometheus.md'), describePrometheus());
await writeFile(join(directory, 'environment-variables.md'), describeVariables(services));
