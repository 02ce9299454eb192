"""Anthropic's client, with a loop of its own over tools."""

import json
import sys

from anthropic import Anthropic

question = json.load(sys.stdin)["data"]["question"]
client = Anthropic()
births = {"Halvard Brontley": "Ostwick Marrow, Verland Coast"}
schema = {"type": "object", "properties": {"of": {"type": "string"}}, "required": ["of"]}
tools = [{"name": "birthplace", "description": "Where somebody was born.", "input_schema": schema}]
messages = [{"role": "user", "content": question}]
while True:
    said = client.messages.create(model="any", max_tokens=512, system="Use the tool.", messages=messages, tools=tools)
    messages.append({"role": "assistant", "content": said.content})
    if said.stop_reason != "tool_use":
        break
    calls = [block for block in said.content if block.type == "tool_use"]
    found = [{"type": "tool_result", "tool_use_id": call.id, "content": births[call.input["of"]]} for call in calls]
    messages.append({"role": "user", "content": found})
