"""TRL's trainer on rollouts as a coordinator sends them. In an environment of its own: `make trl`."""

# Checked where TRL is: it is not among what set-up installs.
# pyright: basic, reportMissingImports=false, reportAttributeAccessIssue=false

from __future__ import annotations

import hashlib
import threading
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("trl", reason="`make trl` installs it into .build/trl; run this there")

import gradus_client
import torch
from coordinator import coordinator
from gradus_client.trl import GradusGRPOTrainer
from tiny_learner import SHAPES, VOCABULARY, model_directory, packed, random_policy, trajectory
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from transformers import AutoModelForCausalLM
from trl import GRPOConfig

from gradus_learner.errors import StateError
from gradus_learner.models.load import load_policy


def config(where: Path, **more: Any) -> GRPOConfig:
    values: dict[str, Any] = {
        "output_dir": str(where), "max_steps": 2, "learning_rate": 1e-2, "lr_scheduler_type": "constant",
        "per_device_train_batch_size": 2, "num_generations": 2, "gradient_accumulation_steps": 2, "logging_steps": 1,
        "save_strategy": "no", "report_to": "none", "bf16": False, "use_cpu": True, "gradient_checkpointing": False,
    }  # fmt: skip
    return GRPOConfig(**{**values, **more})


def test_trl_trains_two_steps_of_a_run_and_its_versions_are_the_weights_that_it_has(tmp_path: Path) -> None:
    model_path = model_directory(tmp_path / "model")
    words = {f"w{index}": index for index in range(VOCABULARY)}
    Tokenizer(WordLevel(words, unk_token="w1")).save(str(model_path / "tokenizer.json"))
    digest = hashlib.sha256((model_path / "tokenizer.json").read_bytes()).hexdigest()
    data = [
        packed(trajectory(shape, seed, random_policy(), tokenizer_hash=digest)) for seed, shape in enumerate(SHAPES)
    ]
    with gradus_client.listen() as client, coordinator(client.address) as calls:
        calls.open(tmp_path / "run", model_path)
        run = client.run()
        model = AutoModelForCausalLM.from_pretrained(run.weights, dtype="float32")
        trainer = GradusGRPOTrainer(run, model, config(tmp_path / "trl"), idle_seconds=60)
        answers: list[Any] = []

        def ask() -> None:
            answers.append(calls.step(1, data).result())
            answers.append(calls.step(2, data, checkpoint=True).result())

        thread = threading.Thread(target=ask)
        thread.start()
        trainer.train()
        thread.join()
    first, last = answers
    # The ratio of the first step is 1: the engine's log-probabilities are those of these weights.
    assert first.metrics["clip_fraction"] == 0
    assert first.metrics["grad_norm"] > 0
    assert first.weights_digest != last.weights_digest
    written = dict(load_policy(Path(last.weights_path)).named_parameters())
    for name, value in trainer.model.named_parameters():
        torch.testing.assert_close(value, written[name])


def test_arguments_that_need_rollouts_of_trl_s_own_are_refused_all_at_once(tmp_path: Path) -> None:
    with pytest.raises(StateError, match=r"num_iterations is 2; .*; beta is 0\.1; .*logging_steps is 5"):
        GradusGRPOTrainer(None, None, config(tmp_path, num_iterations=2, beta=0.1, logging_steps=5))  # type: ignore[arg-type]
