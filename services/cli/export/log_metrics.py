"""Gives the metrics of a run to a tracker: `log_metrics.py trackio|wandb PROJECT RUN`, points as JSON lines on stdin.

The first line is the configuration of the run. Both packages have the same three calls. Exit code 3: the package is
not there.
"""

from __future__ import annotations

import importlib
import json
import sys
from typing import Any


def main(package: str, project: str, run: str) -> int:
    try:
        tracker: Any = importlib.import_module(package)
    except ModuleNotFoundError as missing:
        print(f"No module named {missing.name!r}", file=sys.stderr)
        return 3
    config = json.loads(sys.stdin.readline())
    # What this machine does while it exports is not of the run.
    own = {"auto_log_cpu": False, "auto_log_gpu": False} if package == "trackio" else {}
    tracker.init(project=project, name=run, config=config, resume="never", **own)
    for line in sys.stdin:
        point = json.loads(line)
        tracker.log(point["metrics"], step=point["step"])
    tracker.finish()
    return 0


if __name__ == "__main__":
    raise SystemExit(main(*sys.argv[1:]))
