"""A tiny model directory, and engines over it."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path
from typing import Any, Protocol

import pytest
import torch
from prometheus_client import CollectorRegistry
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

from gradus_learner.engine.events import EngineEvents
from gradus_learner.engine.request import Outcome, Request, Sampling
from gradus_learner.engine.scheduler import Engine
from gradus_learner.engine.stops import Vocabulary
from gradus_learner.engine.transformer import Weights, fuse
from gradus_learner.models.dense import Dense
from gradus_learner.models.dense_config import DenseConfig, Family
from gradus_learner.models.load import save_weights
from gradus_learner.models.qwen3 import QWEN3
from gradus_learner.models.rope import Rope

CONTEXT = 160


def build_tokenizer() -> Tokenizer:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(r" ?\p{L}+|\p{N}{1,2}|[^\p{L}\p{N}]"), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=True, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=300, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False
    )
    tokenizer.train_from_iterator(["the town of Halvard lies in the country of Brontley"] * 4, trainer)
    tokenizer.add_tokens(
        [AddedToken(text, normalized=False) for text in ("<tool>", "</tool>", "</answer>", '{"name": "')]
    )
    tokenizer.add_special_tokens([AddedToken("<|end|>", special=True, normalized=False)])
    return tokenizer


PLAIN_ROPE = Rope()


def build_policy(vocabulary: int, eos: int, seed: int = 1, family: Family = QWEN3, rope: Rope = PLAIN_ROPE) -> Dense:
    config = DenseConfig(
        family,
        vocab_size=vocabulary,
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=3,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=8,
        max_position_embeddings=512,
        rope=rope,
        eos_token_ids=(eos,),
    )
    policy = Dense(config)
    generator = torch.Generator().manual_seed(seed)
    policy.initialise(generator)
    # Far from uniform, so that a wrong key or position shows in the numbers.
    with torch.no_grad():
        for name, parameter in policy.named_parameters():
            if parameter.dim() == 1 and name.endswith(".bias"):
                parameter.uniform_(-0.5, 0.5, generator=generator)
            elif parameter.dim() == 1:
                parameter.uniform_(0.5, 1.5, generator=generator)
            else:
                parameter.mul_(8.0 if "embed" in name else 10.0)
    return policy


@pytest.fixture(scope="session")
def model_directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.set_num_threads(1)
    directory = tmp_path_factory.mktemp("model")
    tokenizer = build_tokenizer()
    tokenizer.save(str(directory / "tokenizer.json"))
    eos = tokenizer.token_to_id("<|end|>")
    assert eos is not None
    save_weights(build_policy(tokenizer.get_vocab_size(), eos), directory)
    return directory


@pytest.fixture(scope="session")
def vocabulary(model_directory: Path) -> Vocabulary:
    return Vocabulary(model_directory / "tokenizer.json")


@pytest.fixture
def policy(vocabulary: Vocabulary) -> Dense:
    return build_policy(vocabulary.size, vocabulary.size - 1)


class EngineMaker(Protocol):
    def __call__(self, policy: Dense | None = None, start: bool = True, **overrides: Any) -> Engine: ...


@pytest.fixture
def make_engine(policy: Dense, vocabulary: Vocabulary) -> Generator[EngineMaker]:
    engines: list[Engine] = []
    own = policy

    def make(policy: Dense | None = None, start: bool = True, **overrides: Any) -> Engine:
        settings: dict[str, Any] = {
            "max_context": CONTEXT,
            "max_running": 16,
            "max_waiting": 64,
            "cache_bytes": 2**24,
            **overrides,
        }
        engine = Engine(weights_of(policy or own), vocabulary, EngineEvents(CollectorRegistry()), **settings)
        engines.append(engine)
        if start:
            engine.start()
        return engine

    yield make
    for engine in engines:
        engine.stop()


def weights_of(policy: Dense) -> Weights:
    return fuse(policy, CONTEXT)


def ask(
    token_ids: list[int],
    request_id: str = "",
    session: str = "",
    context: int = CONTEXT,
    priority: int = 0,
    **sampling: Any,
) -> Request:
    settings: dict[str, Any] = {"max_new_tokens": 12, **sampling}
    return Request(request_id, session, token_ids, Sampling(**settings), context, priority)


def run(engine: Engine, requests: list[Request]) -> list[Outcome]:
    turns = [engine.submit(request) for request in requests]
    return [turn.future.result(timeout=60) for turn in turns]


def prompts(count: int, longest: int = 60, seed: int = 3, vocabulary: int = 256) -> list[list[int]]:
    """Ragged prompts of ordinary tokens."""
    generator = torch.Generator().manual_seed(seed)
    lengths = torch.randint(1, longest + 1, (count,), generator=generator).tolist()
    return [torch.randint(0, vocabulary, (length,), generator=generator).tolist() for length in lengths]


@torch.inference_mode()
def reference_logprobs(policy: Dense, prompt: list[int], generated: list[int], temperature: float = 1.0) -> list[float]:
    """What the learner computes for the tokens that the engine sampled."""
    logits = policy(torch.tensor([prompt + generated]))[0, len(prompt) - 1 : -1]
    scores = torch.log_softmax(logits.float() / temperature, dim=-1)
    return scores.gather(1, torch.tensor(generated).unsqueeze(1)).squeeze(1).tolist()


def largest_difference(left: list[float], right: list[float]) -> float:
    assert len(left) == len(right)
    return max((abs(a - b) for a, b in zip(left, right, strict=True)), default=0.0)
