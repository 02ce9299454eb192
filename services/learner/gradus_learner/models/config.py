"""config.json of a model directory, whatever the architecture; names are Hugging Face's."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Protocol, cast

MAX_CONFIG_BYTES = 1024 * 1024


class ModelError(ValueError):
    """A model directory that is missing, incomplete or of another architecture."""


class DecoderConfig(Protocol):
    """What training, checkpoints and engines need to know of any decoder."""

    @property
    def vocab_size(self) -> int: ...
    @property
    def num_hidden_layers(self) -> int: ...
    @property
    def max_position_embeddings(self) -> int: ...
    @property
    def eos_token_ids(self) -> tuple[int, ...]: ...
    @property
    def tied_names(self) -> tuple[str, ...]:
        """Tensors that may lie next to the others and are one with another of them."""
        ...

    def to_json(self, dtype: str = "float32") -> str:
        """The whole of a config.json, of weights in this number format."""
        ...


def read_config_file(directory: str | Path) -> tuple[dict[str, Any], str]:
    """Keys and values of its config.json, and the file's path. Raises ModelError."""
    path = Path(directory) / "config.json"
    values = read_keys(path)
    if values is None:
        raise ModelError(f"{path}: not found; a model directory holds config.json and model.safetensors")
    return values, str(path)


def read_end_tokens(directory: str | Path) -> object:
    """`eos_token_id` of its generation_config.json, which says more than config.json's; None where there is none."""
    values = read_keys(Path(directory) / "generation_config.json")
    return None if values is None else values.get("eos_token_id")


def read_keys(path: Path) -> dict[str, Any] | None:
    """None where the file is not there. Raises ModelError for one that is no JSON of keys and values."""
    try:
        if path.stat().st_size > MAX_CONFIG_BYTES:
            raise ModelError(f"{path}: larger than {MAX_CONFIG_BYTES} bytes; it is not the config of a model")
        values: Any = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise ModelError(f"{path}: cannot be read: {error.strerror}") from None
    except ModelError:
        raise
    except (ValueError, RecursionError) as error:
        raise ModelError(f"{path}: not JSON: {error}") from None
    if not isinstance(values, dict):
        raise ModelError(f"{path}: holds {type(values).__name__}; it must hold keys and values")
    return cast("dict[str, Any]", values)
