"""A server whose interpreter can be held: `GET /hold/SECONDS` has a thread keep the GIL for so long, without CPU.

The argument is the TCP port of its signalling.
"""

import asyncio
import ctypes
import sys
import threading
from typing import Any

import uvicorn

import sfu

# Unlike `CDLL`, which is for libraries that should run beside Python, this one keeps the GIL during a call.
_libc = ctypes.PyDLL(None)
_HOLD = "/hold/"


async def main(port: int) -> None:
    async with sfu.Server(sfu.Config(udp="127.0.0.1:0")) as server:
        door = sfu.asgi(server)

        async def app(scope: Any, receive: Any, send: Any) -> None:
            if scope["type"] != "http" or not scope["path"].startswith(_HOLD):
                await door(scope, receive, send)
                return
            await send({"type": "http.response.start", "status": 204, "headers": []})
            await send({"type": "http.response.body"})
            microseconds = round(float(scope["path"].removeprefix(_HOLD)) * 1e6)
            threading.Thread(target=_libc.usleep, args=(microseconds,)).start()

        config = uvicorn.Config(app, host="127.0.0.1", port=port, log_level="warning", ws="websockets-sansio")
        await uvicorn.Server(config).serve()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
