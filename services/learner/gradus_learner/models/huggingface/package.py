"""transformers, which the learner needs for this backend alone: it is no part of its own packages."""

from __future__ import annotations

import importlib
from typing import Any

from gradus_learner.models.config import ModelError

INSTALL = "pip install --require-hashes --no-deps -r services/learner/requirements-transformers.lock"


def load_transformers(part: str = "") -> Any:
    """The package, or a module of it. Raises ModelError where it is not installed."""
    try:
        return importlib.import_module(f"transformers.{part}" if part else "transformers")
    except ImportError as error:
        raise ModelError(
            f"backend is transformers, and this Python has no such package ({error}); install it next to the "
            f"learner: {INSTALL}"
        ) from None
