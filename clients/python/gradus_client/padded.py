"""Samples of a step as padded tensors: B samples, P tokens of prompt (padded left), R of response (padded right).

The prompt is what comes before the first token of the policy. All behind it is the response: turns of the policy, and
between them what the environment wrote, which carries no loss. Nothing is tokenised again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from gradus_learner.train.sample import Sample


@dataclass(frozen=True)
class Padded:
    prompts_BP: Tensor
    prompt_mask_BP: Tensor
    responses_BR: Tensor
    # 1 for each token of the sample, whoever wrote it.
    attention_BR: Tensor
    # 1 for tokens of the policy: those of the loss.
    loss_mask_BR: Tensor
    # Log-probabilities as the engine reported them, at the step's temperature; 0 where loss_mask is.
    rollout_logprobs_BR: Tensor
    advantages_B: Tensor
    # Numbers of groups, from 0, in the order in which they come.
    groups_B: Tensor

    @property
    def input_ids_BT(self) -> Tensor:
        return torch.cat([self.prompts_BP, self.responses_BR], 1)

    @property
    def attention_mask_BT(self) -> Tensor:
        return torch.cat([self.prompt_mask_BP, self.attention_BR], 1)


def padded(samples: Sequence[Sample], pad_token_id: int) -> Padded:
    """Each sample has a token of the policy, and a prompt before it."""
    firsts = [int(sample.model_positions[0]) for sample in samples]
    prompt, response = max(firsts), max(sample.length - first for sample, first in zip(samples, firsts, strict=True))
    rows, numbers = len(samples), group_numbers(samples)
    prompts_BP = np.full((rows, prompt), pad_token_id, np.int64)
    responses_BR = np.full((rows, response), pad_token_id, np.int64)
    prompt_mask_BP, attention_BR = np.zeros((rows, prompt), np.int64), np.zeros((rows, response), np.int64)
    loss_mask_BR, logprobs_BR = np.zeros((rows, response), np.int64), np.zeros((rows, response), np.float32)
    for row, (sample, first) in enumerate(zip(samples, firsts, strict=True)):
        prompts_BP[row, prompt - first :] = sample.ids[:first]
        prompt_mask_BP[row, prompt - first :] = 1
        responses_BR[row, : sample.length - first] = sample.ids[first:]
        attention_BR[row, : sample.length - first] = 1
        loss_mask_BR[row, sample.model_positions - first] = 1
        logprobs_BR[row, sample.model_positions - first] = sample.rollout_logprobs
    tensor = torch.from_numpy
    return Padded(
        tensor(prompts_BP),
        tensor(prompt_mask_BP),
        tensor(responses_BR),
        tensor(attention_BR),
        tensor(loss_mask_BR),
        tensor(logprobs_BR),
        torch.tensor([sample.advantage for sample in samples], dtype=torch.float32),
        torch.tensor(numbers, dtype=torch.int64),
    )


def group_numbers(samples: Sequence[Sample]) -> list[int]:
    """One without a group is a group of its own."""
    known: dict[object, int] = {}
    return [
        known.setdefault(("alone", index) if sample.group is None else sample.group, len(known))
        for index, sample in enumerate(samples)
    ]
