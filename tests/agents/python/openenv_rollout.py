"""The rollout function that OpenEnv builds for TRL's trainers, over a server of OpenEnv: openenv_rollout.py URL."""

import json
import os
import sys
from pathlib import Path

from openenv.core.env_server.mcp_types import Tool
from openenv.core.generic_client import GenericEnvClient
from openenv.core.harness import (
    MCPHarnessAdapter,
    ResourceSessionFactory,
    StepEnvSessionAdapter,
    build_harness_rollout_func,
)
from openenv.core.harness.collect import build_model_step
from openenv.core.llm_client import OpenAIClient

wanted = "Verland Coast"
run = Tool(
    name="run",
    description="Run Python.",
    input_schema={"type": "object", "properties": {"code": {"type": "string"}}, "required": ["code"]},
)


class Sessions(ResourceSessionFactory):
    def create(self, task, seed=None, episode_id=None):  # noqa: ARG002
        return StepEnvSessionAdapter(
            GenericEnvClient(base_url=sys.argv[1]),
            task=task,
            tool_specs=[run],
            action_builder=lambda _name, arguments: arguments,
            initial_messages_builder=lambda _result, question: [{"role": "user", "content": question}],
            reset_kwargs={"wanted": wanted},
        )


model = OpenAIClient(os.environ["OPENAI_BASE_URL"], None, model="any", api_key=os.environ["OPENAI_API_KEY"])
rollout = build_harness_rollout_func(
    session_factory=Sessions(),
    harness_adapter=MCPHarnessAdapter(),
    model_step_builder=lambda _trainer, _session: build_model_step(model),
)
played = rollout([json.load(sys.stdin)["data"]["question"]], None)
[reward] = played["env_reward"]
result = {"prediction": wanted if reward == 1 else "", "rewards": {"environment_reward": reward}}
Path(os.environ["GRADUS_RESULT_FILE"]).write_text(json.dumps(result))
