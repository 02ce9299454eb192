"""OpenAI's client, with a loop of its own over tools: openai_client.py whole|streamed."""

import json
import sys

from openai import OpenAI

question = json.load(sys.stdin)["data"]["question"]
client = OpenAI()
births = {"Halvard Brontley": "Ostwick Marrow, Verland Coast"}
parameters = {"type": "object", "properties": {"of": {"type": "string"}}, "required": ["of"]}
tools = [{"type": "function", "function": {"name": "birthplace", "parameters": parameters}}]
messages = [{"role": "system", "content": "Use the tool."}, {"role": "user", "content": question}]
while True:
    asked = {"model": "any", "messages": messages, "tools": tools}
    if sys.argv[1] == "whole":
        turn = client.chat.completions.create(**asked)
    else:
        with client.chat.completions.stream(**asked) as stream:
            turn = stream.get_final_completion()
    message = turn.choices[0].message
    messages.append(message)
    if not message.tool_calls:
        break
    for call in message.tool_calls:
        found = births[json.loads(call.function.arguments)["of"]]
        messages.append({"role": "tool", "tool_call_id": call.id, "content": found})
