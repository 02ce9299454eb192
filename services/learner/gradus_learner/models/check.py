"""Whether config.json of a model directory is of an architecture that is built here.

`python -m gradus_learner.models.check DIR`: exit code 2, and on stderr every problem at once, where it is not.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from gradus_learner.models.config import ModelError
from gradus_learner.models.registry import read_model


def main(argv: Sequence[str]) -> int:
    [directory] = argv
    try:
        read_model(directory)
    except ModelError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
