"""`python -m gradus_learner.engine --model DIR …`: the built-in engine as a service."""

from __future__ import annotations

import os
import sys

from gradus_learner.config import ConfigError, load_config
from gradus_learner.engine.config import EngineConfig

# Seconds for which one Python thread may hold the interpreter while the engine thread waits for it between two
# tensor operations; the default of 5 ms is as long as a decode step.
_SWITCH_SECONDS = 0.0002


def main() -> int:
    try:
        config = load_config(EngineConfig, sys.argv[1:], os.environ)
    except ConfigError as error:
        print(f"gradus engine: {error}", file=sys.stderr)
        return 2
    from gradus_learner.engine.build import build_engine
    from gradus_learner.grpc_server import run_service

    sys.setswitchinterval(_SWITCH_SECONDS)
    return run_service("engine", config, lambda service: build_engine(config, service))


if __name__ == "__main__":
    sys.exit(main())
