"""The weights that training starts from: a transformer that can already look a word up, in a clumsy way.

Two cores cannot show a policy the tens of millions of tokens after which heads that copy form by themselves, so they
are written down (Olsson et al. 2022, "In-context learning and induction heads", say how such heads work). Two heads of
the first layer look one token back and note what stood there; two heads of the second find the places where the token
before was the present one, and carry over the token that stands there. Everything else is drawn at random, and every
weight is trained afterwards.

The residual stream: dimension 0 is a constant, then come the embedding and, in the last `2 * head_dim`, the note.

    python initial.py --tokenizer tokenizer.json --out DIR
"""

from __future__ import annotations

import argparse
import math
from pathlib import Path

import torch
from tokenizers import Tokenizer
from torch import Tensor

from gradus_learner.initial.tokenizer import END_TOKEN
from gradus_learner.models.dense import Dense
from gradus_learner.models.dense_config import DenseConfig
from gradus_learner.models.load import parameter_count, save_weights
from gradus_learner.models.qwen3 import QWEN3
from gradus_learner.models.rope import Rope

# Embedding entries; with tied weights also the size of the first logits.
EMBEDDING = 0.05
# The constant, in embedding entries: what a head reads when it wants no content.
CONSTANT = 6.0
# Of query and key norms in the first two layers: how sharply their heads look.
SHARPNESS = 2.2
# How much louder than the present token the looked-up one is.
LOUDNESS = 10.0
# Rotary pairs that turn fast enough to tell a position from the next, and from where on too slowly to harm content.
FAST_PAIRS, FIRST_SLOW_PAIR = 4, 7


def rows_at_right_angles(count: int, width: int, generator: torch.Generator) -> Tensor:
    return torch.linalg.qr(torch.randn(width, count, generator=generator)).Q.T.contiguous()


@torch.no_grad()
def write_copying_heads(policy: Dense, generator: torch.Generator) -> None:
    config = policy.config
    width, head = config.hidden_size, config.head_dim
    half, groups = head // 2, config.num_key_value_heads
    shared = config.num_attention_heads // groups
    note = width - groups * head
    content = slice(1, note)
    embedding = policy.model.embed_tokens.weight
    embedding.normal_(0.0, EMBEDDING, generator=generator)
    embedding[:, 0] = EMBEDDING * CONSTANT
    embedding[:, note:] = 0.0
    # What is noted of a token, and what is carried over of it: random projections, one block for each key-value head.
    noted = rows_at_right_angles(groups * head, note - 1, generator)
    carried = rows_at_right_angles(groups * head, note - 1, generator)
    slow = [*range(FIRST_SLOW_PAIR, half), *range(half + FIRST_SLOW_PAIR, head)]
    first, second = policy.model.layers[0].self_attn, policy.model.layers[1].self_attn
    for attention in (first, second):
        attention.q_norm.weight.fill_(SHARPNESS)
        attention.k_norm.weight.fill_(SHARPNESS)
        # The other heads begin quietly.
        attention.o_proj.weight.mul_(0.2)
    for group in range(groups):
        query, key = group * shared * head, group * head
        block = slice(group * head, (group + 1) * head)
        # One token back: keys all alike, queries the same but turned back by one position.
        for pair in range(FAST_PAIRS):
            turn = config.rope.theta ** (-2 * pair / head)
            first.k_proj.weight[key + pair, 0] = 1.0
            first.q_proj.weight[query + pair, 0] = math.cos(turn)
            first.q_proj.weight[query + half + pair, 0] = -math.sin(turn)
        first.v_proj.weight[block, content] = noted[block]
        columns = slice(query, query + head)
        first.o_proj.weight[:, columns] = 0.0
        first.o_proj.weight[note + group * head : note + (group + 1) * head, columns] = EMBEDDING * torch.eye(head)
        # Where the token before was the present one. Only slow pairs: a fast one would turn content into position.
        second.q_proj.weight[query : query + head] = 0.0
        second.k_proj.weight[key : key + head] = 0.0
        for row in slow:
            second.q_proj.weight[query + row, content] = noted[group * head + row]
            second.k_proj.weight[key + row, note + group * head + row] = 1.0
        second.v_proj.weight[block, content] = carried[block]
        second.o_proj.weight[:, columns] = 0.0
        second.o_proj.weight[content, columns] = LOUDNESS * EMBEDDING * carried[block].T


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tokenizer", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True, help="the model directory to make")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    tokenizer = Tokenizer.from_file(str(options.tokenizer))
    config = DenseConfig(
        QWEN3,
        vocab_size=tokenizer.get_vocab_size(),
        eos_token_ids=(tokenizer.token_to_id(END_TOKEN),),
        hidden_size=192,
        intermediate_size=512,
        num_hidden_layers=4,
        num_attention_heads=6,
        num_key_value_heads=2,
        head_dim=32,
        max_position_embeddings=2048,
        # Slower than usual for so short a context: content stays the same over all of it.
        rope=Rope(theta=1_000_000.0),
        tie_word_embeddings=True,
    )
    generator = torch.Generator().manual_seed(options.seed)
    policy = Dense(config)
    policy.initialise(generator)
    write_copying_heads(policy, generator)
    save_weights(policy, options.out)
    print(f"{parameter_count(policy)} parameters in {options.out}")


if __name__ == "__main__":
    main()
