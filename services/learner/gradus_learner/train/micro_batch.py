"""A micro-batch of rollouts, and what the policy says of its tokens.

Shapes: T tokens of a micro-batch, D hidden, N its model tokens.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from gradus_learner.models.decoder import Decoder
from gradus_learner.models.packed_row import PackedRow, pack, starts
from gradus_learner.models.passes import PLAIN, Passes
from gradus_learner.models.token_scores import Entropy, token_scores
from gradus_learner.train.sample import Sample


@dataclass(frozen=True)
class MicroBatch:
    row: PackedRow
    # Positions in the row whose next token was sampled by the policy, that token, its sample's place in the row.
    positions_N: Tensor
    targets_N: Tensor
    row_N: Tensor
    rollout_N: Tensor
    # Indices of the samples in their order in the row.
    samples: tuple[int, ...]


def make_micro_batch(samples: Sequence[Sample], indices: Sequence[int], device: torch.device) -> MicroBatch:
    chosen = [samples[index] for index in indices]
    row = pack([sample.ids for sample in chosen], device)
    counts = [len(sample.model_positions) for sample in chosen]
    row_N = np.repeat(np.arange(len(chosen)), counts)
    first_N = np.repeat(starts(row.lengths), counts)
    before_N = first_N + np.concatenate([sample.model_positions for sample in chosen]) - 1
    rollout_N = np.concatenate([sample.rollout_logprobs for sample in chosen])
    positions_N, rows_N, rollouts_N = (torch.from_numpy(array).to(device) for array in (before_N, row_N, rollout_N))
    return MicroBatch(row, positions_N, row.ids_T[positions_N + 1], rows_N, rollouts_N, tuple(indices))


def token_logprobs(
    policy: Decoder, batch: MicroBatch, temperature: float, passes: Passes = PLAIN, entropy_gradient: bool = False
) -> tuple[Tensor, Tensor]:
    """Logprobs at `temperature` of the sampled tokens, and the entropy where they were sampled, both (N,)."""
    hidden_ND = states(policy, batch, passes)
    return state_logprobs(policy, hidden_ND, batch, temperature, entropy_gradient)


def states(policy: Decoder, batch: MicroBatch, passes: Passes) -> Tensor:
    """Last hidden states (N, D) that the sampled tokens were drawn from: of the token before each."""
    return policy.hidden(batch.row, passes).index_select(0, batch.positions_N)


def state_logprobs(
    policy: Decoder, hidden_ND: Tensor, batch: MicroBatch, temperature: float, entropy_gradient: bool
) -> tuple[Tensor, Tensor]:
    entropy: Entropy = "gradient" if entropy_gradient else "value"
    scores = token_scores(hidden_ND, policy.output_weight_VD, batch.targets_N, temperature, entropy)
    return scores.logprobs_N, scores.entropy_N
