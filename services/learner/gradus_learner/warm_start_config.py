"""Configuration of a warm start: a YAML file, overridden by flags (`--steps 100 --model.hidden-size 64`)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from gradus_learner.config import ConfigError, flag_of, read_mapping, suggestion


class Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ModelShape(Section):
    hidden_size: int = 128
    intermediate_size: int = 384
    num_hidden_layers: int = 4
    num_attention_heads: int = 4
    num_key_value_heads: int = 2
    head_dim: int = 32
    max_position_embeddings: int = 2048
    rope_theta: float = 10_000.0
    tie_word_embeddings: bool = True


class WarmStartConfig(Section):
    tokenizer: Annotated[Path, Field(description="tokenizer.json; copied beside the model.")]
    data: Annotated[list[Path], Field(min_length=1, description="JSONL of demonstrations or plain text.")]
    out: Annotated[Path, Field(description="The model directory to make.")]
    held_out: Annotated[list[Path], Field(description="Data never trained on; empty takes held_out_sequences.")] = []
    held_out_sequences: Annotated[int, Field(ge=0, description="Sequences set aside when held_out is empty.")] = 256
    init: Annotated[Path | None, Field(description="Model directory to go on from; its shape wins.")] = None
    model: ModelShape = ModelShape()
    induction_init: Annotated[bool, Field(description="Start from weights that can copy; without init only.")] = False
    seed: int = 1
    steps: Annotated[int, Field(ge=1, description="Optimiser updates.")] = 2000
    batch_tokens: Annotated[int, Field(ge=1, description="Padded tokens per update.")] = 8192
    micro_batch_tokens: Annotated[int, Field(ge=1, description="Padded tokens per forward pass.")] = 8192
    max_tokens: Annotated[int, Field(ge=2, description="Longest sequence; longer demonstrations are left out.")] = 512
    learning_rate: Annotated[float, Field(gt=0, description="Peak of the cosine.")] = 2e-3
    final_learning_rate_share: Annotated[float, Field(ge=0, le=1)] = 0.05
    warmup_steps: Annotated[int, Field(ge=0)] = 100
    weight_decay: Annotated[float, Field(ge=0)] = 0.05
    beta1: Annotated[float, Field(ge=0, lt=1)] = 0.9
    beta2: Annotated[float, Field(ge=0, lt=1)] = 0.95
    max_grad_norm: Annotated[float, Field(gt=0)] = 1.0
    environment_loss_weight: Annotated[float, Field(ge=0, description="Of prompt and environment tokens.")] = 0.1
    text_loss_weight: Annotated[float, Field(ge=0, description="Of plain text.")] = 1.0
    evaluate_every_steps: Annotated[int, Field(ge=1)] = 500
    save_every_steps: Annotated[int, Field(ge=1)] = 500
    log_every_steps: Annotated[int, Field(ge=1)] = 25
    resume: Annotated[bool, Field(description="Go on from the newest checkpoint in out/checkpoints.")] = True
    threads: Annotated[int, Field(ge=1)] = 2
    device: str = "cpu"
    precision: Annotated[Literal["float32", "bfloat16"], Field(description="Of the passes; weights stay float32.")] = (
        "float32"
    )

    @model_validator(mode="after")
    def check(self) -> WarmStartConfig:
        if self.warmup_steps >= self.steps:
            raise ValueError(f"warmup_steps {self.warmup_steps} must be less than steps {self.steps}")
        if self.induction_init and self.init is not None:
            raise ValueError("induction_init is for fresh weights; init already gives them")
        if self.max_tokens > self.batch_tokens:
            raise ValueError(f"batch_tokens {self.batch_tokens} must be at least max_tokens {self.max_tokens}")
        return self


def flag_names() -> dict[str, str]:
    names = {flag_of(field): field for field in WarmStartConfig.model_fields if field != "model"}
    return names | {f"--model.{field.replace('_', '-')}": f"model.{field}" for field in ModelShape.model_fields}


def load_warm_start_config(argv: Sequence[str]) -> WarmStartConfig:
    """Paths in the file are relative to the file, those of flags to the working directory."""
    values: dict[str, Any] = {}
    names = flag_names()
    flags: list[tuple[str, Any]] = []
    rest = list(argv)
    while rest:
        name, equals, value = rest.pop(0).partition("=")
        if name != "--config" and name not in names:
            raise ConfigError(f"unknown argument {name}{suggestion(name, ['--config', *names])}")
        taken = [value] if equals else []
        while not equals and rest and not rest[0].startswith("--"):
            taken.append(rest.pop(0))
        if not taken:
            raise ConfigError(f"{name} needs a value")
        if name == "--config":
            values = from_file(Path(taken[0]))
        else:
            many = names[name] in ("data", "held_out")
            flags.append((names[name], taken if many else yaml.safe_load(taken[0])))
    for key, value in flags:
        if key.startswith("model."):
            values["model"] = {**values.get("model", {}), key.removeprefix("model."): value}
        else:
            values[key] = value
    try:
        return WarmStartConfig.model_validate(values)
    except ValidationError as error:
        raise ConfigError("; ".join(explain(item) for item in error.errors())) from None


def from_file(path: Path) -> dict[str, Any]:
    values = read_mapping(path)
    for key in ("tokenizer", "out", "init"):
        if isinstance(values.get(key), str):
            values[key] = path.parent / values[key]
    for key in ("data", "held_out"):
        entries: Any = values.get(key)
        if isinstance(entries, str):
            entries = [entries]
        if isinstance(entries, list):
            values[key] = [path.parent / str(entry) for entry in entries]
    return values


def explain(item: Any) -> str:
    path = ".".join(str(part) for part in item["loc"])
    if item["type"] == "extra_forbidden":
        known = ModelShape.model_fields if path.startswith("model.") else WarmStartConfig.model_fields
        return f"unknown key {path}{suggestion(path.removeprefix('model.'), list(known))}"
    if item["type"] == "missing":
        return f"{path} is missing; give it in the file or as {flag_of(path)}"
    return f"{path} is {item['input']!r}: {item['msg']}" if path else str(item["msg"])
