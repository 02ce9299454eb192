"""How many ids a tokenizer.json can give, without building the tokenizer."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, cast

from gradus_learner.models.config import ModelError


def tokenizer_size(path: Path) -> int:
    """One more than the greatest id; 0 for a file without a vocabulary. Raises ModelError where it is not JSON."""
    try:
        values: Any = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise ModelError(f"{path}: not a tokenizer: {error}") from None
    return 1 + max([-1, *vocabulary_ids(values), *added_ids(values)])


def vocabulary_ids(values: Any) -> list[int]:
    model = values.get("model") if isinstance(values, dict) else None
    vocabulary = cast("dict[str, Any]", model).get("vocab") if isinstance(model, dict) else None
    if isinstance(vocabulary, dict):
        return [each for each in cast("dict[str, Any]", vocabulary).values() if isinstance(each, int)]
    # Unigram: pieces by their index.
    return [len(cast("list[Any]", vocabulary)) - 1] if isinstance(vocabulary, list) else []


def added_ids(values: Any) -> list[int]:
    added = values.get("added_tokens") if isinstance(values, dict) else None
    entries = cast("list[Any]", added) if isinstance(added, list) else []
    return [each["id"] for each in entries if isinstance(each, dict) and isinstance(each.get("id"), int)]
