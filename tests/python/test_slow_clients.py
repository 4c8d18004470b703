"""WebSockets whose client does not read: memory stays bounded, and whoever catches up gets the whole state."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

from sfu.signaling.access import Access, Grant
from sfu.signaling.dialogue import Dialogue
from sfu.signaling.door import Door
from sfu.signaling.outbox import Outbox
from sfu.signaling.ws import serve

if TYPE_CHECKING:
    import sfu


def told(number: int) -> dict[str, Any]:
    return {"type": "news", "number": number}


async def test_news_beyond_the_bound_is_replaced_by_one_mark() -> None:
    outbox = Outbox()
    for number in range(1000):
        outbox.tell(told(number))
    outbox.answer({"type": "ok"})
    sent = []
    while (message := await outbox.next()) is not None:
        sent.append(message)
    assert sent == [*map(told, range(256)), {"type": "ok"}]
    assert outbox.behind


async def test_who_has_caught_up_is_given_the_whole_state(room: sfu.Room) -> None:
    alice = await room.join("alice")
    dialogue, outbox = Dialogue(room, alice, Grant(), 30.0), Outbox()
    dialogue.attach(outbox, resumed=False)
    assert (await anext_message(outbox))["resumed"] is False
    for number in range(1000):
        outbox.tell(told(number))
    await room.join("bob")
    while await outbox.next() is not None:
        pass
    dialogue.catch_up()
    state = await anext_message(outbox)
    assert state["resumed"] is True
    assert [member["identity"] for member in state["participants"]] == ["alice", "bob"]
    outbox.tell(told(1))
    assert await outbox.next() == told(1)


async def test_a_client_that_asks_and_does_not_read_is_not_read_either(server: sfu.Server) -> None:
    socket = Deaf()
    serving = asyncio.create_task(serve(Door(server, Access()), socket))  # type: ignore[arg-type]
    while not socket.waiting_to_send:  # noqa: ASYNC110
        await asyncio.sleep(0)
    for _ in range(20_000):
        await asyncio.sleep(0)
    assert 256 < socket.taken < 1000
    socket.gone = True
    socket.released.set()
    async with asyncio.timeout(30):
        await serving


async def anext_message(outbox: Outbox) -> dict[str, Any]:
    message = await outbox.next()
    assert message is not None
    return message


class Deaf:
    """A WebSocket that pings for ever and reads nothing."""

    headers: dict[str, str] = {}  # noqa: RUF012

    def __init__(self) -> None:
        self.taken = 0
        self.waiting_to_send = False
        self.gone = False
        self.released = asyncio.Event()

    async def accept(self) -> None: ...

    async def close(self, code: int = 1000) -> None: ...

    async def receive(self) -> dict[str, Any]:
        if self.gone:
            return {"type": "websocket.disconnect", "code": 1006}
        self.taken += 1
        message = {"type": "ping"} if self.taken > 1 else {"type": "join", "room": "standup", "identity": "alice"}
        return {"type": "websocket.receive", "text": json.dumps(message)}

    async def send_text(self, text: str) -> None:
        self.waiting_to_send = True
        await self.released.wait()
