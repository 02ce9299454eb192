"""What config.json must be, by its `model_type`.

Loads no torch, so that a recipe is checked in a moment: `python -m gradus_learner.models.config_readers DIR` gives exit
code 2, and every problem at once on stderr, for a directory that is not of an architecture that is built here.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from gradus_learner.models.config import DecoderConfig, ModelError, read_config_file
from gradus_learner.models.qwen3_config import Qwen3Config

# Of the values of a config.json and the file's name for messages. Each raises ModelError. A directory that does not
# say what it is, is taken for the first.
READERS: Mapping[str, Callable[[Mapping[str, Any], str], DecoderConfig]] = {"qwen3": Qwen3Config.from_mapping}


def read_config(directory: str | Path) -> tuple[str, DecoderConfig]:
    """Its model_type and configuration. Raises ModelError with every problem of config.json at once."""
    values, path = read_config_file(directory)
    named = values.get("model_type", next(iter(READERS)))
    read = READERS.get(named) if isinstance(named, str) else None
    if read is None:
        raise ModelError(f"{path}: model_type is {named!r}; supported: {', '.join(READERS)}")
    return named, read(values, path)


def main(argv: Sequence[str]) -> int:
    [directory] = argv
    try:
        read_config(directory)
    except ModelError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
