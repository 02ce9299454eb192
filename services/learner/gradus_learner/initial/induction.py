"""Initial weights with which a tiny policy can copy from its first step.

Copying needs two layers to agree: one head that hands each position the token before it, and one that looks for a
position whose handed-down token is the current one and writes what stands there (an induction head: Olsson et al.
2022, arXiv 2209.11895). With normalised queries and keys and few training tokens, gradient descent finds that pair
late: on the demo's text not within 2 M tokens, while a policy wired like this leaves the plateau within 0.3 M. The
weights are only a start; all of them are trained.

Shapes: D hidden, E head width. Rows of q, k and v projections belong to heads, columns of o to heads.

| part | weights | effect |
|---|---|---|
| embeddings | one direction u added to every token | queries and keys that do not depend on the token |
| layer 0, first key-value group | q and k along u, turned apart by 1 and 2 positions | heads that look 1 and 2 back |
| layer 0, v and o of that group | orthonormal rows V, columns O | the token before, written to a subspace of its own |
| layer 1, every group | q = V, k = O^T on slowly turning pairs | looks where the token before equals this one |
| layer 1, v and o | a projection and its transpose | writes that position's token |
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from gradus_learner.models.config import ModelError
from gradus_learner.models.decoder import Decoder
from gradus_learner.models.dense import Attention, Dense

# Rotary pairs that distinguish one position from the next; slower ones cannot.
POSITION_PAIRS = 3
POSITION_GAIN = 0.2
MATCH_GAIN = 0.3
HAND_DOWN_GAIN = 0.1
COPY_GAIN = 0.3
# Initial weights of the query and key norms: a larger product lets softmax be sharp.
POSITION_NORM = 2.0
OTHER_NORM = 1.4


def wire_induction(policy: Decoder, generator: torch.Generator) -> None:
    """Change freshly initialised weights in place. Needs two layers and query heads in every key-value group."""
    if not isinstance(policy, Dense) or not policy.config.family.qk_norm:
        raise ModelError("weights that copy need a dense decoder that normalises queries and keys, as qwen3 does")
    config = policy.config
    width, head, half = config.hidden_size, config.head_dim, config.head_dim // 2
    per_group = config.num_attention_heads // config.num_key_value_heads
    if config.num_hidden_layers < 2 or head >= width or half < 2 * POSITION_PAIRS:
        raise ValueError("induction_init needs two layers, head_dim below hidden_size and at least 12 wide")
    shared = torch.randn(width, generator=generator)
    shared /= shared.norm()

    def orthonormal_ED() -> Tensor:
        """Rows orthonormal and without the shared direction."""
        columns = torch.cat((shared[:, None], torch.randn(width, head, generator=generator)), dim=1)
        return torch.linalg.qr(columns)[0][:, 1:].T

    attention = [module for module in policy.modules() if isinstance(module, Attention)]
    with torch.no_grad():
        embedding = policy.model.embed_tokens.weight
        embedding += embedding.std() * math.sqrt(width) * shared
        for index, part in enumerate(attention):
            norm = POSITION_NORM if index == 0 else OTHER_NORM
            for each in (part.q_norm, part.k_norm):
                if each is not None:
                    each.weight.fill_(norm)

        first, second = attention[0], attention[1]
        for pair in range(POSITION_PAIRS):
            angle = config.rope.theta ** (-2 * pair / head)
            for look_back in range(1, min(2, per_group) + 1):
                # Relative to the key's turn by one position, so that the angle vanishes `look_back` positions away.
                turn, row = angle * (1 - look_back), (look_back - 1) * head + pair
                first.q_proj.weight[row] += POSITION_GAIN * math.cos(turn) * shared
                first.q_proj.weight[row + half] += POSITION_GAIN * math.sin(turn) * shared
            first.k_proj.weight[pair] += POSITION_GAIN * math.cos(angle) * shared
            first.k_proj.weight[pair + half] += POSITION_GAIN * math.sin(angle) * shared
        seen_ED, handed_ED = orthonormal_ED(), orthonormal_ED()
        first.v_proj.weight[:head] = seen_ED
        first.o_proj.weight[:, :head] = HAND_DOWN_GAIN * handed_ED.T

        slow = torch.cat((torch.arange(half // 2, half), torch.arange(half + half // 2, head)))
        for group in range(config.num_key_value_heads):
            second.k_proj.weight[group * head + slow] += MATCH_GAIN * handed_ED[slow]
            copied_ED = orthonormal_ED()
            second.v_proj.weight[group * head : (group + 1) * head] = copied_ED
            for query in range(group * per_group, (group + 1) * per_group):
                second.q_proj.weight[query * head + slow] += MATCH_GAIN * seen_ED[slow]
                second.o_proj.weight[:, query * head : (query + 1) * head] = COPY_GAIN / per_group * copied_ED.T
