import { TerminalError } from '#platform/errors.ts';

type Values = Readonly<Record<string, unknown>>;

function record(value: unknown): Values {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? { ...value } : {};
}

/**
 * The values of a config.json for `context` tokens by YaRN (arXiv 2309.00071), as Jan-nano-128k has them: 40,960 positions times 3.2. Throws
 * TerminalError for a context that is not longer, or a model whose positions are stretched already.
 */
export function stretchContext(config: Values, context: number): Values {
  const { rope_scaling: scaling, ...rest } = config;
  const rope = { ...record(scaling), ...record(config['rope_parameters']) };
  const kind = rope['rope_type'] ?? rope['type'] ?? 'default';
  const positions = config['max_position_embeddings'];
  const refuse = (why: string): never => {
    throw new TerminalError('invalid_argument', `--context ${context}: ${why}`);
  };
  if (kind !== 'default')
    return refuse(`the positions of this model are stretched already (rope_type ${JSON.stringify(kind)})`);
  if (typeof positions !== 'number') return refuse('its config.json has no max_position_embeddings');
  if (context <= positions)
    return refuse(`it must be more than the ${positions} positions of the model (max_position_embeddings)`);
  return {
    ...rest,
    max_position_embeddings: context,
    rope_parameters: {
      rope_type: 'yarn',
      rope_theta: rope['rope_theta'] ?? config['rope_theta'] ?? 10_000,
      factor: context / positions,
      original_max_position_embeddings: positions,
    },
  };
}
