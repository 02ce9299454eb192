"""What the learner's forward pass says of turns: `learner_logprobs.py < turns.json`.

In: `[{"model": DIRECTORY, "tokenIds": [T], "from": F, "temperature": 0.6}, …]`.
Out: a list per turn with the log-probability of each token from the F-th on, in float32.
"""

from __future__ import annotations

import json
import sys
from functools import lru_cache
from typing import Any

import torch

from gradus_learner.models.load import load_policy

policy_of = lru_cache(load_policy)


def logprobs(turn: dict[str, Any]) -> list[float]:
    policy = policy_of(turn["model"])
    ids_T, first = torch.tensor(turn["tokenIds"]), turn["from"]
    logits_TV = policy(ids_T[None])[0, first - 1 : -1].float()
    logprobs_TV = torch.log_softmax(logits_TV / turn["temperature"], dim=-1)
    return logprobs_TV.gather(1, ids_T[first:, None]).squeeze(1).tolist()


with torch.no_grad():
    json.dump([logprobs(turn) for turn in json.load(sys.stdin)], sys.stdout)
