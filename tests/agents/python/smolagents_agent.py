"""An agent of smolagents: smolagents_agent.py ToolCallingAgent|CodeAgent."""

import json
import os
import sys
from pathlib import Path

import smolagents
from smolagents import OpenAIModel, tool


@tool
def birthplace(of: str) -> str:  # noqa: ARG001
    """
    Where somebody was born.

    Args:
        of: The name of the person.
    """
    return "Ostwick Marrow, Verland Coast"


model = OpenAIModel(model_id="any", api_base=os.environ["OPENAI_BASE_URL"], api_key=os.environ["OPENAI_API_KEY"])
agent = getattr(smolagents, sys.argv[1])(tools=[birthplace], model=model)
answer = agent.run(json.load(sys.stdin)["data"]["question"])
Path(os.environ["GRADUS_RESULT_FILE"]).write_text(json.dumps({"prediction": answer}))
