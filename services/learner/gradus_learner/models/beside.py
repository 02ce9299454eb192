"""What a model directory has next to its config and weights, so that transformers loads it: tokenizer, chat template
and how text is drawn. As services/weights/model-directory.ts knows them."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from gradus_learner.models.config import DecoderConfig, ModelError

BESIDE = re.compile(
    r"(?:tokenizer(?:_config)?|special_tokens_map|added_tokens|generation_config|vocab)\.json"
    r"|merges\.txt|chat_template\.jinja|[\w.-]+\.(?:model|tiktoken)"
)
TOKENIZER, TOKENIZER_CONFIG, GENERATION_CONFIG = "tokenizer.json", "tokenizer_config.json", "generation_config.json"
# Of all of them; the largest tokenizers take a tenth.
MOST_BYTES = 512 * 1024 * 1024


def is_beside(name: str) -> bool:
    return BESIDE.fullmatch(name) is not None


def read_beside(directory: Path, config: DecoderConfig) -> dict[str, bytes]:
    """Contents by name, with a tokenizer_config.json and a generation_config.json made where there is none.

    Raises ModelError for files that are too large to be these, or cannot be read.
    """
    try:
        files = sorted(path for path in directory.iterdir() if is_beside(path.name))
        size = sum(path.stat().st_size for path in files)
        if size > MOST_BYTES:
            names = ", ".join(path.name for path in files)
            raise ModelError(
                f"{directory}: {names} are {size} bytes in all; each version has a copy of them, so they must be at "
                f"most {MOST_BYTES}: move away what is no tokenizer"
            )
        found = {path.name: path.read_bytes() for path in files}
    except OSError as error:
        raise ModelError(f"{error.filename}: cannot be read: {error.strerror}") from None
    if TOKENIZER in found and TOKENIZER_CONFIG not in found:
        found[TOKENIZER_CONFIG] = to_bytes(tokenizer_config(json.loads(found[TOKENIZER]), config))
    if GENERATION_CONFIG not in found:
        ends = config.eos_token_ids
        found[GENERATION_CONFIG] = to_bytes({"eos_token_id": ends[0] if len(ends) == 1 else list(ends)})
    return found


def tokenizer_config(tokenizer: Any, config: DecoderConfig) -> dict[str, Any]:
    """For a tokenizer.json alone: which class reads it as it stands, and which token ends a text."""
    values: dict[str, Any] = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "clean_up_tokenization_spaces": False,
        "model_max_length": config.max_position_embeddings,
    }
    added = cast("dict[str, Any]", tokenizer).get("added_tokens") if isinstance(tokenizer, dict) else None
    for token in cast("list[Any]", added if isinstance(added, list) else []):
        if isinstance(token, dict) and token.get("id") == config.eos_token_ids[0]:
            values["eos_token"] = cast("dict[str, Any]", token).get("content")
    return values


def to_bytes(values: Mapping[str, Any]) -> bytes:
    return (json.dumps(values, indent=2) + "\n").encode()
