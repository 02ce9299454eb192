"""A proxy that only forwards, as small as aiohttp allows: `proxy.py UPSTREAM`. Prints its URL as one JSON line."""

import asyncio
import json
import sys

from aiohttp import ClientSession, ClientTimeout, TCPConnector, web

UPSTREAM = sys.argv[1]


async def forward(request: web.Request) -> web.Response:
    body = await request.read()
    headers = {"content-type": "application/json"}
    async with request.app["client"].post(UPSTREAM + request.path, data=body, headers=headers) as answer:
        return web.Response(status=answer.status, body=await answer.read(), content_type="application/json")


async def main() -> None:
    app = web.Application(client_max_size=16 * 2**20)
    app["client"] = ClientSession(connector=TCPConnector(limit=0), timeout=ClientTimeout(total=600))
    app.router.add_post("/{path:.*}", forward)
    runner = web.AppRunner(app, access_log=None, keepalive_timeout=600)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, backlog=4096)
    await site.start()
    port = runner.addresses[0][1]
    print(json.dumps({"http": f"http://127.0.0.1:{port}"}), flush=True)
    await asyncio.Event().wait()


asyncio.run(main())
