"""`python -m gradus_learner.engine --model DIR …`: the built-in engine as a service."""

from __future__ import annotations

import os
import sys

from gradus_learner.engine.config import EngineConfig
from gradus_learner.serve.config import ConfigError, load_config


def prepare_threads() -> None:
    """Before torch is imported. Workers that wait for their next share of a tensor sleep instead of spinning: where
    cores are shared with other processes, spinning makes two threads ten times slower than one (bench/engine.py)."""
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    # Seconds for which one Python thread may hold the interpreter while the engine's waits for it between two tensor
    # operations; the default of 5 ms is as long as a decode step.
    sys.setswitchinterval(0.0002)


def main() -> int:
    try:
        config = load_config(EngineConfig, sys.argv[1:], os.environ)
    except ConfigError as error:
        print(f"gradus engine: {error}", file=sys.stderr)
        return 2
    prepare_threads()
    from gradus_learner.engine.build import build_engine
    from gradus_learner.serve.grpc_server import run_service

    return run_service("engine", config, lambda service: build_engine(config, service))


if __name__ == "__main__":
    sys.exit(main())
