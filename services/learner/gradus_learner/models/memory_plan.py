"""What learner and built-in engine need of a device, by part, before anything is loaded. Loads no torch.

`python -m gradus_learner.models.memory_plan DIR JSON` prints the parts in bytes; JSON is `{"learner": {...}, "engine":
{...}}` with the fields of `Learning` and `Serving`, either of them null. The arithmetic is that of dense decoders; it
is held against tensors that autograd keeps in tests/test_memory_plan.py.

Names: P parameters, L layers, D hidden, I intermediate, H query heads, K key-value heads, E head width, V vocabulary.
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from gradus_learner.models.config import ModelError
from gradus_learner.models.config_readers import read_config
from gradus_learner.models.dense_config import DenseConfig
from gradus_learner.models.dense_shapes import tensor_shapes
from gradus_learner.models.lora_config import adapted

FLOAT32, BFLOAT16, INT64 = 4, 2, 8
# Logits at once, as token_scores has them, and tables of them that exist at a time.
VALUES_AT_ONCE, TABLES = 2**26, 3
# Rows that a region of the engine's arena begins with (engine/arena.py).
FIRST_ROWS = 8


@dataclass(frozen=True)
class Learning:
    # Of one forward and backward pass.
    tokens: int
    # A second copy of the weights, for the KL term.
    reference: bool = False
    # A value head on the last hidden states.
    critic: bool = False
    # Layers keep their input alone, and are computed again one by one in the backward pass.
    checkpointing: bool = False
    # Of forward and backward passes; weights, gradients and moments are float32.
    precision: Literal["float32", "bfloat16"] = "float32"
    # Of the adapters that are trained in the place of the weights, and the matrices that have one (all: none is named).
    lora_rank: int = 0
    lora_targets: Sequence[str] = ()

    @property
    def width(self) -> int:
        return BFLOAT16 if self.precision == "bfloat16" else FLOAT32


@dataclass(frozen=True)
class Serving:
    max_context: int
    # Tokens of running requests; 0: as many as max_running sequences of max_context.
    kv_tokens: int
    max_running: int
    cache_bytes: int


def parameters_of(config: DenseConfig) -> int:
    return sum(math.prod(shape) for shape in tensor_shapes(config).values())


def layer_token_bytes(config: DenseConfig, width: int) -> int:
    """What autograd keeps of one token in one layer, with activations of `width` bytes.

    Inputs and outputs of both norms (4 D), of gate and up and their products (4 I); queries, keys and values as
    attention takes them; its output, and the row that it is put into; queries and keys before their norms, where
    they have these. In float32 whatever the width: of each norm a scale, of each head a sum of attention.
    """
    heads, groups, head = config.num_attention_heads, config.num_key_value_heads, config.head_dim
    kept = 4 * config.hidden_size + 4 * config.intermediate_size + 3 * heads * head + 2 * groups * head
    scales = 2 + heads
    if config.family.qk_norm:
        kept += (heads + groups) * head
        scales += heads + groups
    return width * kept + FLOAT32 * scales


def token_bytes(config: DenseConfig, learning: Learning) -> int:
    """What is kept of each token through a forward pass; with checkpointing also of the one layer computed again."""
    layers, width = config.num_hidden_layers, learning.width
    layer = layer_token_bytes(config, width)
    inside = layers * width * config.hidden_size + layer if learning.checkpointing else layers * layer
    # The last norm's input and scale, the hidden state that logits are made of, cosine and sine, the token's id.
    return inside + width * (2 * config.hidden_size + 2 * config.head_dim) + FLOAT32 + INT64


def rounded_weights(config: DenseConfig, learning: Learning) -> int:
    """Bytes of the layers' weights in the format of a pass that is not theirs: kept of every layer, or of one."""
    if learning.width == FLOAT32:
        return 0
    shapes = tensor_shapes(config)
    layers = sum(math.prod(shape) for name, shape in shapes.items() if name.startswith("model.layers."))
    output = learning.width * config.vocab_size * config.hidden_size
    return learning.width * (layers // config.num_hidden_layers if learning.checkpointing else layers) + output


def lora_parts(config: DenseConfig, learning: Learning, whole: Mapping[str, int]) -> dict[str, int]:
    """Frozen weights are held in the format of passes, and the reference shares them. `whole`: without adapters."""
    rank, width = learning.lora_rank, learning.width
    matrices = adapted(tensor_shapes(config), learning.lora_targets)
    # A (R, I) and B (O, R) of each.
    adapters = FLOAT32 * rank * sum(outputs + inputs for outputs, inputs in matrices.values())
    # Autograd keeps what A gives, too; of a layer that is computed again, while that is.
    kept = len(matrices) // config.num_hidden_layers if learning.checkpointing else len(matrices)
    return {
        **whole,
        "weights": width * parameters_of(config) + adapters,
        "gradients": adapters,
        "adam_states": 2 * adapters,
        "rounded_weights": 0,
        "reference": adapters if learning.reference else 0,
        "activations": whole["activations"] + learning.tokens * width * rank * kept,
        # The matrix that they are made with has no gradient.
        "logits": whole["logits"] - FLOAT32 * config.vocab_size * config.hidden_size,
    }


def critic_bytes(config: DenseConfig, learning: Learning) -> int:
    """Of its D + 1 weights four copies, as of any that is trained, and float32 states where a pass has others."""
    rounded = 0 if learning.width == FLOAT32 else learning.tokens * FLOAT32 * config.hidden_size
    return 4 * FLOAT32 * (config.hidden_size + 1) + rounded


def learner_parts(config: DenseConfig, learning: Learning) -> dict[str, int]:
    weights = FLOAT32 * parameters_of(config)
    rows = min(learning.tokens, VALUES_AT_ONCE // config.vocab_size)
    table = FLOAT32 * rows * config.vocab_size
    whole = {
        "weights": weights,
        "gradients": weights,
        "adam_states": 2 * weights,
        "rounded_weights": rounded_weights(config, learning),
        "reference": learning.width * parameters_of(config) if learning.reference else 0,
        "activations": learning.tokens * token_bytes(config, learning),
        # Next to the gradient of the matrix that they are made with, before it is added to the others.
        "logits": TABLES * table + FLOAT32 * config.vocab_size * config.hidden_size,
        "critic": critic_bytes(config, learning) if learning.critic else 0,
    }
    return whole if learning.lora_rank == 0 else lora_parts(config, learning, whole)


def kv_token_bytes(config: DenseConfig) -> int:
    return 2 * FLOAT32 * config.num_hidden_layers * config.num_key_value_heads * config.head_dim


def engine_parts(config: DenseConfig, serving: Serving) -> dict[str, int]:
    parameters = parameters_of(config)
    # The last norm is folded into the matrix of logits, which is then one of its own.
    fused = FLOAT32 * (parameters + (config.vocab_size * config.hidden_size if config.tie_word_embeddings else 0))
    each = kv_token_bytes(config)
    most = serving.kv_tokens or serving.max_running * serving.max_context
    return {
        "weights": fused,
        # The next version as it is read and as it is fused, while this one serves.
        "next_version": FLOAT32 * parameters + fused,
        # One sequence of max_context: rows of a length are allocated together.
        "one_long_sequence": FIRST_ROWS * serving.max_context * each,
        "kv_bound": most * each,
        "prefix_cache_bound": serving.cache_bytes,
    }


def memory_plan(directory: str, asked: Mapping[str, Any]) -> dict[str, Any]:
    """Raises ModelError for a directory that is not of a dense decoder."""
    _, config = read_config(directory)
    if not isinstance(config, DenseConfig):
        raise ModelError(f"{directory}: no dense decoder; its memory is not counted")
    learner, engine = asked.get("learner"), asked.get("engine")
    return {
        "parameters": parameters_of(config),
        "learner": None if learner is None else learner_parts(config, Learning(**learner)),
        "engine": None if engine is None else engine_parts(config, Serving(**engine)),
    }


def main(argv: Sequence[str]) -> int:
    directory, asked = argv
    try:
        print(json.dumps(memory_plan(directory, json.loads(asked))))
    except ModelError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
