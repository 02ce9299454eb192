import type { Gauge, Metrics } from '#platform/telemetry/metrics.ts';

/** A gauge of runs; its further label is one of a closed set. */
export interface RunGauge {
  readonly gauge: Gauge;
  readonly label: Readonly<Record<string, string>>;
}

type Table = Readonly<Record<string, RunGauge>>;

/** `completion_length/mean`, `/p90` and `/max` as one gauge. */
function statistics(name: string, gauge: Gauge, of: readonly string[]): Table {
  return Object.fromEntries(of.map((statistic) => [`${name}/${statistic}`, { gauge, label: { statistic } }]));
}

function labelled(gauge: Gauge, label: string, values: Readonly<Record<string, string>>): Table {
  return Object.fromEntries(
    Object.entries(values).map(([name, value]) => [name, { gauge, label: { [label]: value } }]),
  );
}

const plain = (gauge: Gauge): RunGauge => ({ gauge, label: {} });

/** Gauges of the newest step of a run, by the name that the value has in metrics.jsonl (docs/metrics.md). */
export function createStepGauges(metrics: Metrics): Table {
  const lengths = ['mean', 'p90', 'max'];
  return {
    'reward/mean': plain(
      metrics.gauge('gradus_reward_mean', 'Reward of the newest step, mean over its samples.', ['run', 'stage']),
    ),
    'reward/std': plain(metrics.gauge('gradus_reward_std', 'Standard deviation of that reward.', ['run', 'stage'])),
    frac_reward_zero_std: plain(
      metrics.gauge('gradus_reward_zero_std_ratio', 'Share of the groups of the newest step without variance.', [
        'run',
        'stage',
      ]),
    ),
    learned: plain(
      metrics.gauge('gradus_step_learned', 'Whether the newest step learned something: 1 or 0.', ['run', 'stage']),
    ),
    ...statistics(
      'completion_length',
      metrics.gauge(
        'gradus_completion_length_tokens',
        'Tokens that the policy wrote in a rollout of the newest step: mean, p90 and max.',
        ['run', 'stage', 'statistic'],
      ),
      lengths,
    ),
    ...statistics(
      'sequence_length',
      metrics.gauge(
        'gradus_sequence_length_tokens',
        'Tokens of a rollout of the newest step, with prompt and environment: mean, p90 and max.',
        ['run', 'stage', 'statistic'],
      ),
      lengths,
    ),
    'turns/mean': plain(metrics.gauge('gradus_turns_mean', 'Turns per rollout of the newest step.', ['run', 'stage'])),
    'tools/call_frequency': plain(
      metrics.gauge('gradus_tool_calls_mean', 'Tool calls per rollout of the newest step.', ['run', 'stage']),
    ),
    'tools/failure_frequency': plain(
      metrics.gauge('gradus_tool_failure_ratio', 'Share of those calls that failed.', ['run', 'stage']),
    ),
    'rollouts/answered': plain(
      metrics.gauge('gradus_rollouts_answered_ratio', 'Share of the rollouts of the newest step with an answer.', [
        'run',
        'stage',
      ]),
    ),
    'rollouts/truncated': plain(
      metrics.gauge(
        'gradus_rollouts_truncated_ratio',
        'Share of the rollouts of the newest step that a token limit ended.',
        ['run', 'stage'],
      ),
    ),
    'rollouts/in_flight': plain(
      metrics.gauge(
        'gradus_rollouts_in_flight_mean',
        'Rollouts that were played at once, averaged over the time of the newest step.',
        ['run', 'stage'],
      ),
    ),
    ...statistics(
      'off_policy',
      metrics.gauge(
        'gradus_staleness_versions',
        'Policy versions between what wrote a sample of the newest step and what was trained: mean and max.',
        ['run', 'stage', 'statistic'],
      ),
      ['mean', 'max'],
    ),
    loss: plain(
      metrics.gauge('gradus_train_loss', 'Objective of the newest step, a mean over its updates.', ['run', 'stage']),
    ),
    entropy: plain(
      metrics.gauge('gradus_policy_entropy_nats', "Entropy of the policy's distribution, newest step.", [
        'run',
        'stage',
      ]),
    ),
    grad_norm: plain(
      metrics.gauge('gradus_gradient_norm', 'Length of the gradient before it is clipped, newest step.', [
        'run',
        'stage',
      ]),
    ),
    ...labelled(
      metrics.gauge(
        'gradus_clip_ratio',
        'Share of tokens whose ratio was clipped in the newest step: at any bound, and at the low one.',
        ['run', 'stage', 'bound'],
      ),
      'bound',
      { clip_ratio: 'any', 'clip_ratio/low': 'low' },
    ),
    mismatch_kl: plain(
      metrics.gauge(
        'gradus_mismatch_kl_nats',
        'Divergence (k3) between what the engine sampled from and what the trainer computes, newest step.',
        ['run', 'stage'],
      ),
    ),
    ...labelled(
      metrics.gauge(
        'gradus_policy_kl_nats',
        'Divergence of the policy from the one that wrote the samples (old) and from the reference, newest step.',
        ['run', 'stage', 'from'],
      ),
      'from',
      { 'train/ppo_kl': 'old', 'train/reference_kl': 'reference' },
    ),
    'train/mfu': plain(
      metrics.gauge(
        'gradus_mfu_ratio',
        'Model FLOPs utilisation of the newest step: what its sequences need, as a share of the peak of the device that trains.',
        ['run', 'stage'],
      ),
    ),
    'train/tflops_per_second': plain(
      metrics.gauge(
        'gradus_train_tflops',
        'What the sequences of the newest step need, in TFLOP for each second of its training.',
        ['run', 'stage'],
      ),
    ),
    learning_rate: plain(metrics.gauge('gradus_learning_rate', 'Learning rate of the last update.', ['run', 'stage'])),
    ...labelled(
      metrics.gauge(
        'gradus_step_seconds',
        'Time of the newest step by phase: step is the whole, learner_wait and engine_wait lie within the others.',
        ['run', 'stage', 'phase'],
      ),
      'phase',
      Object.fromEntries(
        ['step', 'rollout', 'train', 'sync', 'learner_wait', 'engine_wait'].map((phase) => [`time/${phase}`, phase]),
      ),
    ),
  };
}
