"""TRL's `GRPOTrainer`, fed with the rollouts of a run: its loss, its optimiser, no generation of its own.

One step of Gradus is one optimiser step of TRL, over `gradient_accumulation_steps` parts of its samples. Written for
TRL 1.16: `_prepare_inputs` is the place where a trainer gets what its loss is computed of.
"""

# Checked where TRL is: it is not among what set-up installs.
# pyright: basic, reportMissingImports=false, reportAttributeAccessIssue=false

from __future__ import annotations

import logging
import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from datasets import Dataset
from torch import Tensor
from transformers import PreTrainedTokenizerFast
from transformers.trainer_utils import TrainOutput
from trl import GRPOConfig, GRPOTrainer

from gradus_client.padded import padded
from gradus_client.run import Run
from gradus_client.step import Step
from gradus_learner.errors import StateError
from gradus_learner.train.sample import Sample

# Ours, and where TRL logs them.
METRICS = {
    "loss": "loss",
    "grad_norm": "grad_norm",
    "learning_rate": "learning_rate",
    "entropy": "entropy",
    "clip_fraction": "clip_ratio/region_mean",
}
log = logging.getLogger("gradus_client")


def trl_batch(samples: Sequence[Sample], pad_token_id: int, device: torch.device | str = "cpu") -> dict[str, Tensor]:
    """What `GRPOTrainer._compute_loss` reads, of B samples: prompts (B, P) padded left, completions (B, C) right.

    A completion is all behind the prompt; `tool_mask` is 0 where the environment wrote. Ratios are of the policy to the
    engine that sampled, so that rollouts of older versions are weighed as what they are.
    """
    batch = padded(samples, pad_token_id)
    tensors = {
        "prompt_ids": batch.prompts_BP,
        "prompt_mask": batch.prompt_mask_BP,
        "completion_ids": batch.responses_BR,
        "completion_mask": batch.attention_BR,
        "tool_mask": batch.loss_mask_BR,
        "advantages": batch.advantages_B,
        "old_per_token_logps": batch.rollout_logprobs_BR,
        "sampling_per_token_logps": batch.rollout_logprobs_BR,
        "num_items_in_batch": batch.loss_mask_BR.sum(),
    }
    return {name: value.to(device) for name, value in tensors.items()}


def tokenizer_of(run: Run) -> PreTrainedTokenizerFast:
    """Of the run's model; its end is its padding, which no loss sees."""
    file = run.weights / "tokenizer.json"
    tokenizer = PreTrainedTokenizerFast(tokenizer_file=str(file))
    end = tokenizer.convert_ids_to_tokens(run.given.config.eos_token_ids[0])
    tokenizer.add_special_tokens({"eos_token": end, "pad_token": end})
    return tokenizer


class RunOverError(Exception):
    """No step comes any more."""


class GradusGRPOTrainer(GRPOTrainer):
    """`train()` goes on until the run ends or `args.max_steps` are done, and answers each step.

    Raises StateError for arguments that need rollouts of TRL's own, all of them at once.
    """

    def __init__(self, run: Run, model: Any, args: GRPOConfig, idle_seconds: float | None = None, **more: Any) -> None:
        problems = argument_problems(args)
        if problems:
            raise StateError(f"GRPOConfig: {'; '.join(problems)}")
        self.run, self.idle_seconds = run, idle_seconds
        self._at_hand: Step | None = None
        self._parts: list[dict[str, Tensor]] = []
        more.setdefault("processing_class", tokenizer_of(run))
        rows = [{"prompt": "of Gradus"}] * args.generation_batch_size
        super().__init__(model, reward_funcs=never_asked, args=args, train_dataset=Dataset.from_list(rows), **more)

    def train(self, *given: Any, **more: Any) -> TrainOutput:
        try:
            return super().train(*given, **more)
        except RunOverError:
            log.info("no step came any more", extra={"fields": {"runId": self.run.run_id, "step": self.run.step}})
            return TrainOutput(self.state.global_step, math.nan, {})

    def _prepare_inputs(self, generation_batch: Any) -> dict[str, Tensor]:  # noqa: ARG002
        part = self._step % self.args.gradient_accumulation_steps
        if part == 0:
            self._take()
        return self._parts[part]

    def _take(self) -> None:
        if self._at_hand is None:
            self._begin()
        step = self.run.next_step(self.idle_seconds)
        if step is None:
            raise RunOverError
        # Of another one the number of a sample is not its advantage.
        if step.objective.name != "policy_gradient":
            step.refuse(f"its objective is {step.objective.name}; TRL's GRPO takes steps of policy_gradient alone")
            raise StateError(
                f"step {step.number} is of objective {step.objective.name}; give the stage to another learner"
            )
        parts = self.args.gradient_accumulation_steps
        if len(step.samples) < parts:
            step.refuse(f"{len(step.samples)} samples carry loss, and gradient_accumulation_steps is {parts}")
            raise StateError(f"step {step.number} has {len(step.samples)} samples for {parts} parts; lower that")
        if not math.isclose(step.temperature, self.args.temperature, abs_tol=1e-6):
            reason = f"it was sampled at temperature {step.temperature:g}, GRPOConfig has {self.args.temperature:g}"
            step.refuse(reason)
            raise StateError(f"step {step.number}: {reason}; give GRPOConfig that temperature")
        self._at_hand = step
        pad = self.processing_class.pad_token_id
        whole = sum(len(sample.model_positions) for sample in step.samples)
        total = torch.tensor(whole, device=self.accelerator.device)
        self._parts = [
            {**trl_batch(step.samples[at::parts], pad, self.accelerator.device), "num_items_in_batch": total}
            for at in range(parts)
        ]

    def _begin(self) -> None:
        """Of the first step: the optimiser is there by now."""
        state = self.run.optimizer_state()
        if state is not None and self.optimizer is not None:
            self.optimizer.load_state_dict(state)
        log.warning(
            "TRL's own arguments say how it learns (learning_rate %g, loss_type %s); the recipe's algorithm does not",
            self.args.learning_rate,
            self.args.loss_type,
            extra={"fields": {"runId": self.run.run_id}},
        )

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        super().log(logs, start_time)
        # Also called for the summary of a training.
        if self._at_hand is not None and "loss" in logs:
            self._at_hand.done(self.accelerator.unwrap_model(self.model), own_metrics(logs), optimizer=self.optimizer)


def own_metrics(logs: Mapping[str, Any]) -> dict[str, float]:
    return {name: float(logs[theirs]) for name, theirs in METRICS.items() if logs.get(theirs) is not None}


def never_asked(*_given: Any, **_more: Any) -> list[float]:
    raise StateError("rewards are the fleet's")


def argument_problems(args: GRPOConfig) -> list[str]:
    checks = (
        (args.world_size == 1, f"{args.world_size} processes; one takes the steps of a run"),
        (args.num_iterations == 1, f"num_iterations is {args.num_iterations}; a step is one update, so 1"),
        (
            args.steps_per_generation == args.gradient_accumulation_steps,
            f"steps_per_generation is {args.steps_per_generation}; it must be gradient_accumulation_steps "
            f"({args.gradient_accumulation_steps})",
        ),
        (args.beta == 0, f"beta is {args.beta:g}; log-probabilities of a reference are not given, so 0"),
        (not args.use_vllm, "use_vllm is true; the fleet's engines write the rollouts"),
        (args.max_steps > 0, f"max_steps is {args.max_steps}; give the most steps of the run"),
        (args.logging_steps == 1, f"logging_steps is {args.logging_steps:g}; each step is answered with its log, so 1"),
        (args.eval_strategy == "no", "eval_strategy is set; the fleet evaluates, so 'no'"),
    )
    return [problem for holds, problem in checks if not holds]
