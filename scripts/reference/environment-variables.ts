/** The reference page of environment variables, from the schemas of services and from what is listed here. */
import { execFileSync } from 'node:child_process';
import type { z } from 'zod';
import { programOf } from '../../services/fleet/service-programs.ts';
import { configFields } from '../../services/platform/runtime/config-fields.ts';

const head = `# Environment variables

Generated from the schemas of the services.

## Everywhere

| variable | read by | meaning |
|---|---|---|
| \`GRADUS_LOG_LEVEL\`, \`GRADUS_OTLP_ENDPOINT\`, \`GRADUS_OTLP_RATIO\` | \`gradus run\`, \`resume\`, \`up\`, and each service alone | Passed on to every service of a fleet; see below. A fleet passes on no other variable of this page: what is meant for one service is in the recipe. |
| \`GRADUS_CONFIG\` | services in TypeScript | The file of settings, in place of \`--config\`. |
| \`GRADUS_TORCH_INDEX\` | \`make setup\` | Package index that PyTorch is installed from, for example https://download.pytorch.org/whl/cpu. |
| \`GRADUS_PROMETHEUS_URL\` | Grafana | Where the data source of deploy/grafana finds Prometheus, for example http://prometheus:9090. |
| \`GRADUS_SERVICES_IMAGE\`, \`GRADUS_LEARNER_IMAGE\` | deploy/compose | Names of the two images, where they are not gradus/services and gradus/learner ([containers](../how-to/containers.md)). |
| \`GRADUS_SCORER_GROUP\` | nothing of yours | Set in processes of scorers and environments, to find what they started. |
| \`GRADUS_RESULT_FILE\`, \`GRADUS_SESSION_URL\`, \`GRADUS_SEED\` | an agent of yours | Set for the program of the environment \`agent\`: where it writes its result, where rewards are attached later, and what to draw from ([agents](../how-to/agents.md)). |
| \`HF_TOKEN\` | retrieval, \`gradus index\` | Token for models of the hub that need one. |

A key of a judge or of an endpoint has the name that the recipe gives it (\`api_key_env\`, \`key_env\`). Code of your own sees no
variable but those that \`environment.limits.environment\` or the scorer's \`environment\` names.

## Settings of services

Each is also a flag and a key of the file, where [types and defaults](services.md) are. A flag overrides the variable, and the
variable overrides the file; an empty variable counts as absent. A variable that differs by one letter from one that the
service knows is refused; other unknown ones are ignored, since one environment may serve several services.

| variable | service | meaning |
|---|---|---|
`;

interface Variable {
  readonly service: string;
  readonly name: string;
  readonly meaning: string;
}

/** Engine and learner are Python: their models say what they take. */
function pythonVariables(service: 'engine' | 'learner', model: string, module: string): Variable[] {
  const { command, env } = programOf(service);
  const program =
    `import json\nfrom ${module} import ${model} as model\n` +
    "print(json.dumps([{'name': f'GRADUS_{n.upper()}', 'meaning': f.description} for n, f in model.model_fields.items()]))";
  const text = execFileSync(command, ['-c', program], { env: { ...process.env, ...env }, encoding: 'utf8' });
  return (JSON.parse(text) as Omit<Variable, 'service'>[]).map((variable) => ({ service, ...variable }));
}

export function describeVariables(schemas: Readonly<Record<string, z.ZodType>>): string {
  const all: Variable[] = [
    ...Object.entries(schemas).flatMap(([service, schema]) =>
      configFields(schema).map(({ variable, description }) => ({ service, name: variable, meaning: description })),
    ),
    ...pythonVariables('engine', 'EngineConfig', 'gradus_learner.engine.config'),
    ...pythonVariables('learner', 'LearnerConfig', 'gradus_learner.serve.config'),
  ];
  // What every service has is said once, in the words of the first.
  const rows = new Map<string, { services: Set<string>; meaning: string }>();
  const everywhere = new Set(all.map(({ service }) => service)).size;
  const usedBy = Map.groupBy(all, ({ name }) => name);
  for (const { service, name, meaning } of all) {
    const isShared = (usedBy.get(name)?.length ?? 0) >= everywhere;
    const row = rows.get(isShared ? name : `${name} ${meaning}`) ?? { services: new Set(), meaning };
    row.services.add(isShared ? 'every service' : service);
    rows.set(isShared ? name : `${name} ${meaning}`, row);
  }
  const lines = [...rows]
    .map(([key, row]) => ({ ...row, name: key.split(' ', 1)[0] ?? '' }))
    .toSorted((a, b) => (a.name < b.name ? -1 : 1))
    .map(
      ({ name, services, meaning }) =>
        `| \`${name}\` | ${[...services].join(', ')} | ${meaning.replaceAll('|', '\\|')} |`,
    );
  return `${head}${lines.join('\n')}\n`;
}
