"""The arithmetic of memory against published sizes, and against what autograd keeps."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_learner import CONFIG

from gradus_learner.engine.arena import Region
from gradus_learner.engine.transformer import fuse
from gradus_learner.models import token_scores
from gradus_learner.models.decoder import Decoder
from gradus_learner.models.dense import Dense
from gradus_learner.models.dense_config import DenseConfig, Family
from gradus_learner.models.llama import LLAMA
from gradus_learner.models.load import parameter_count
from gradus_learner.models.lora import add_lora
from gradus_learner.models.lora_config import Lora
from gradus_learner.models.memory_plan import (
    FIRST_ROWS,
    FLOAT32,
    VALUES_AT_ONCE,
    Learning,
    Serving,
    engine_parts,
    kv_token_bytes,
    layer_token_bytes,
    learner_parts,
    main,
    parameters_of,
    rounded_weights,
    token_bytes,
)
from gradus_learner.models.passes import Passes, Precision
from gradus_learner.models.qwen2 import QWEN2
from gradus_learner.models.qwen3 import QWEN3
from gradus_learner.train.critic import Critic
from gradus_learner.train.micro_batch import make_micro_batch, token_logprobs
from gradus_learner.train.sample import Sample

GIB, MIB = 2**30, 2**20


def qwen3(hidden: int, intermediate: int, layers: int, heads: int) -> DenseConfig:
    """Of the sizes that Qwen3 is published in; all have 8 key-value heads of 128, tied."""
    return DenseConfig(QWEN3, 151_936, hidden, intermediate, layers, heads, 8, 128, max_position_embeddings=40_960)


# Counted by hooks on the meta device, before keys and values of a group were attended to without being repeated:
# a few percent more than now.
PUBLISHED = {
    "0.6B": (qwen3(1024, 3072, 28, 16), 3.0, 8.9),
    "1.7B": (qwen3(2048, 6144, 28, 16), 4.7, 25.6),
    "4B": (qwen3(2560, 9728, 36, 32), 9.7, 59.9),
}


@pytest.mark.parametrize(("config", "activations_mib", "trained_gib"), PUBLISHED.values(), ids=PUBLISHED.keys())
def test_published_sizes(config: DenseConfig, activations_mib: float, trained_gib: float) -> None:
    parts = learner_parts(config, Learning(tokens=8192))
    assert token_bytes(config, Learning(1)) / MIB == pytest.approx(activations_mib, rel=0.05)
    trained = parts["weights"] + parts["gradients"] + parts["adam_states"]
    assert trained / GIB == pytest.approx(trained_gib, rel=0.005)


def test_4b_as_findings_have_it() -> None:
    config, _, _ = PUBLISHED["4B"]
    assert parameters_of(config) == 4_022_468_096
    assert kv_token_bytes(config) == 294_912
    assert learner_parts(config, Learning(8192))["activations"] / GIB == pytest.approx(77.8, rel=0.04)
    assert learner_parts(config, Learning(40_960))["activations"] / GIB == pytest.approx(389, rel=0.04)
    reference = learner_parts(config, Learning(8192, reference=True))["reference"]
    assert reference == parameters_of(config) * 4
    assert learner_parts(config, Learning(8192, reference=True, precision="bfloat16"))["reference"] == reference // 2
    # A layer's inputs, and one layer at a time.
    again = learner_parts(config, Learning(40_960, checkpointing=True))["activations"]
    assert again / GIB < 30
    half = learner_parts(config, Learning(40_960, checkpointing=True, precision="bfloat16"))
    assert half["activations"] / again == pytest.approx(0.5, rel=0.01)
    # Of one layer and of the matrix of logits; of all layers where none is computed again.
    assert half["rounded_weights"] / GIB == pytest.approx(0.91, rel=0.01)
    assert rounded_weights(config, Learning(1, precision="bfloat16")) / parameters_of(config) == pytest.approx(2, 0.01)
    engine = engine_parts(config, Serving(max_context=40_960, kv_tokens=0, max_running=256, cache_bytes=2**30))
    assert engine["kv_bound"] == 2880 * GIB
    assert engine["one_long_sequence"] == 90 * GIB
    assert engine["prefix_cache_bound"] == GIB
    bounded = engine_parts(config, Serving(max_context=40_960, kv_tokens=81_920, max_running=256, cache_bytes=0))
    assert bounded["kv_bound"] == 22.5 * GIB


def kept_bytes(policy: Decoder, length: int, passes: Passes) -> int:
    """Of the storages that autograd keeps for the backward pass, weights aside."""
    own = {parameter.untyped_storage().data_ptr() for parameter in policy.parameters()}
    kept: dict[int, torch.Tensor] = {}

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        address = tensor.untyped_storage().data_ptr()
        if address not in own:
            kept[address] = tensor
        return tensor

    ids = np.arange(length, dtype=np.int64) % policy.config.vocab_size
    model = np.arange(1, length)
    sample = Sample("t", ids, model, np.zeros(length - 1, np.float32), 1.0, False, True)
    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        logprobs_N, _ = token_logprobs(policy, make_micro_batch([sample], [0], torch.device("cpu")), 1.0, passes)
    assert logprobs_N.requires_grad
    return sum(tensor.untyped_storage().nbytes() for tensor in kept.values())


@pytest.mark.parametrize("family", [QWEN3, QWEN2, LLAMA], ids=lambda family: family.model_type)
@pytest.mark.parametrize("groups", [1, 2, 4])
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_autograd_keeps_what_is_counted(family: Family, groups: int, precision: Precision) -> None:
    config = DenseConfig(family, 97, 80, 304, 3, 4, groups, 32, max_position_embeddings=4096)
    policy, passes, learning = Dense(config), Passes(precision), Learning(1, precision=precision)
    # A table of logits is kept, too, where it is small: `logits` counts it.
    counted = token_bytes(config, learning) + FLOAT32 * config.vocab_size
    small, large = (kept_bytes(policy, length, passes) for length in (1000, 2000))
    assert large - small == pytest.approx(counted * 1000, rel=0.03)
    # The matrix of logits is rounded, used and let go of.
    output = learning.width * config.vocab_size * config.hidden_size if precision == "bfloat16" else 0
    assert 2 * small - large == pytest.approx(rounded_weights(config, learning) - output, rel=0.01, abs=1000)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_checkpointing_keeps_what_enters_a_layer_and_one_layer_more_than_is_left(precision: Precision) -> None:
    config = DenseConfig(QWEN3, 97, 80, 304, 3, 4, 2, 32, max_position_embeddings=4096)
    policy, passes, learning = (
        Dense(config),
        Passes(precision, True),
        Learning(1, checkpointing=True, precision=precision),
    )
    kept = token_bytes(config, learning) - layer_token_bytes(config, learning.width) + FLOAT32 * config.vocab_size
    grown = kept_bytes(policy, 2000, passes) - kept_bytes(policy, 1000, passes)
    assert grown == pytest.approx(kept * 1000, rel=0.03)


@pytest.mark.parametrize("checkpointing", [False, True])
def test_adapters_take_what_is_counted(checkpointing: bool) -> None:
    config = DenseConfig(QWEN3, 97, 80, 304, 3, 4, 2, 32, max_position_embeddings=4096)
    policy, learning = Dense(config), Learning(1000, reference=True, checkpointing=checkpointing, lora_rank=8)
    add_lora(policy, Lora(8, 16.0), 0)
    parts = learner_parts(config, learning)
    trained = sum(parameter.numel() for parameter in policy.parameters() if parameter.requires_grad)
    assert (parts["gradients"], parts["adam_states"], parts["reference"]) == (4 * trained, 8 * trained, 4 * trained)
    assert parts["weights"] == FLOAT32 * parameter_count(policy)
    few = learner_parts(config, replace(learning, lora_targets=["q_proj", "v_proj"]))
    assert few["gradients"] == FLOAT32 * 3 * 8 * (80 + 128 + 80 + 64)
    passes = Passes("float32", checkpointing)
    grown = kept_bytes(policy, 2000, passes) - kept_bytes(policy, 1000, passes)
    counted = parts["activations"] + 1000 * FLOAT32 * config.vocab_size
    if checkpointing:
        # The one layer that is computed again is not held yet.
        counted -= 1000 * (layer_token_bytes(config, FLOAT32) + FLOAT32 * 8 * 7)
    assert grown == pytest.approx(counted, rel=0.03)


def test_a_critic_takes_what_is_counted() -> None:
    precisions: tuple[Precision, ...] = ("float32", "bfloat16")
    critic = Critic(Dense(CONFIG))
    hidden = torch.zeros(20, CONFIG.hidden_size, dtype=torch.bfloat16)
    kept: dict[int, int] = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        values = critic.values(hidden)
    values.sum().backward()
    critic.optimizer.step()
    moments = sum(state[key].numel() for state in critic.optimizer.state.values() for key in ("exp_avg", "exp_avg_sq"))
    trained = parameter_count(critic.head)
    counted = [learner_parts(CONFIG, Learning(20, critic=True, precision=each))["critic"] for each in precisions]
    assert counted == [FLOAT32 * (2 * trained + moments), FLOAT32 * (2 * trained + moments) + sum(kept.values())]
    assert learner_parts(CONFIG, Learning(20))["critic"] == 0


def test_the_engine_holds_what_is_counted() -> None:
    config = replace(CONFIG, max_position_embeddings=256)
    policy = Dense(config)
    assert parameter_count(policy) == parameters_of(config)
    weights = fuse(policy, 256)
    layers = [each for layer in weights.layers for each in (layer.qkv, layer.output, layer.gate_up, layer.down)]
    held = sum(each.numel() * 4 for each in [weights.embedding, weights.output, *layers])
    parts = engine_parts(config, Serving(max_context=256, kv_tokens=0, max_running=4, cache_bytes=0))
    assert parts["weights"] == pytest.approx(held, rel=0.03)
    region = Region(config, 256, torch.device("cpu"))
    region.reserve(1)
    assert region.rows == FIRST_ROWS
    # Keys are padded, so that their rows lie apart.
    assert parts["one_long_sequence"] == pytest.approx(region.size_bytes, rel=0.05)
    assert VALUES_AT_ONCE == token_scores.VALUES_AT_ONCE


def test_it_prints_parts_as_json_without_loading_torch(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "config.json").write_text(CONFIG.to_json(), encoding="utf-8")
    asked = {"learner": {"tokens": 64}, "engine": None}
    assert main([str(tmp_path), json.dumps(asked)]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["learner"] == learner_parts(CONFIG, Learning(64))
    assert answer["engine"] is None
    source = "import sys, gradus_learner.models.memory_plan; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", source], check=False).returncode == 0
    (tmp_path / "config.json").write_text('{"model_type": "gpt2"}', encoding="utf-8")
    assert main([str(tmp_path), json.dumps(asked)]) == 2
    assert "model_type is 'gpt2'" in capsys.readouterr().err
