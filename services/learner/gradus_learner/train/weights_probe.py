"""`probe.json`, next to the weights of each version: fixed tokens, and what these weights say of each after the first.

Servers have been seen that answer a load with success and compute on with what they had. What loads a version
compares its own scores of the same tokens with these (services/engine-sidecar, versions/weights-probe.ts).
"""

from __future__ import annotations

import json
from collections.abc import Sequence

import numpy as np
import torch

from gradus_learner.models.decoder import Decoder
from gradus_learner.models.packed_row import pack
from gradus_learner.models.passes import PLAIN, Passes
from gradus_learner.models.token_scores import token_scores

PROBE_NAME = "probe.json"
_TOKENS = 32


def probe_tokens(vocabulary: int) -> list[int]:
    """Spread over the vocabulary, but for its end, which some models only pad."""
    return [(index + 1) * vocabulary // (_TOKENS + 8) for index in range(_TOKENS)]


def probe_json(policy: Decoder, passes: Passes = PLAIN) -> str:
    """`{"tokenIds": [T], "logprobs": [T - 1]}`, at temperature 1."""
    tokens = probe_tokens(policy.config.vocab_size)
    row = pack([np.array(tokens, np.int64)], next(policy.parameters()).device)
    with torch.no_grad():
        scores = token_scores(policy.hidden(row, passes)[:-1], policy.output_weight_VD, row.ids_T[1:])
    return probe_text(tokens, scores.logprobs_N.tolist())


def probe_text(tokens: Sequence[int], logprobs: Sequence[float]) -> str:
    """Of any model's log-probabilities at temperature 1."""
    return json.dumps({"tokenIds": list(tokens), "logprobs": list(logprobs)}) + "\n"
