import type { ServerHost, ServerPlan, StartedServer } from '../kit/engine-kind.ts';
import { freePort, servedName, startServerProgram } from '../kit/start-server-program.ts';
import type { SglangOptions } from './options.ts';

export async function startSglang(plan: ServerPlan, options: SglangOptions, host: ServerHost): Promise<StartedServer> {
  const port = await freePort();
  return await startServerProgram(
    {
      name: 'sglang',
      command: options.python,
      args: sglangArguments(plan, options, port),
      env: {
        HF_HUB_OFFLINE: '1',
        OMP_NUM_THREADS: `${plan.threads}`,
        ...(plan.device === 'cpu' && { SGLANG_USE_CPU_ENGINE: '1' }),
        ...options.env,
      },
      baseUrl: `http://127.0.0.1:${port}`,
      // /health generates a token.
      healthPath: '/ready',
    },
    host,
  );
}

export function sglangArguments(plan: ServerPlan, { dtype, seeded, args }: SglangOptions, port: number): string[] {
  const flags = {
    'model-path': plan.modelDirectory,
    'tokenizer-path': plan.tokenizerDirectory,
    'served-model-name': servedName,
    // Its routes that change weights know no callers.
    host: '127.0.0.1',
    port,
    device: plan.device,
    dtype,
    'context-length': plan.maxContext,
    'max-running-requests': plan.maxRunning,
    'weight-version': plan.version === 0n ? 'default' : plan.version,
  };
  return [
    '-m',
    'sglang.launch_server',
    ...Object.entries(flags).flatMap(([name, value]) => [`--${name}`, `${value}`]),
    ...(seeded ? ['--enable-deterministic-inference'] : []),
    '--enable-priority-scheduling',
    ...args,
  ];
}
