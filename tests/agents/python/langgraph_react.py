"""LangGraph's ready-made ReAct agent over the tools of an MCP server: langgraph_react.py whole|streamed URL."""

import asyncio
import json
import sys

from langchain_mcp_adapters.client import MultiServerMCPClient
from langchain_openai import ChatOpenAI
from langgraph.prebuilt import create_react_agent


async def main(question: str, how: str, url: str) -> None:
    servers = MultiServerMCPClient({"search": {"transport": "streamable_http", "url": url}})
    agent = create_react_agent(
        ChatOpenAI(model="any", streaming=how == "streamed"), await servers.get_tools(), prompt="Use the tools."
    )
    await agent.ainvoke({"messages": [{"role": "user", "content": question}]})


asyncio.run(main(json.load(sys.stdin)["data"]["question"], *sys.argv[1:]))
