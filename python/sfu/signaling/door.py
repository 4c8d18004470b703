"""The one door into a server's rooms: access, limits, and the clients that may come back after a lost WebSocket."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from sfu.signaling.dialogue import Dialogue
from sfu.signaling.messages import BadMessage

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from sfu._backend import Timer
    from sfu.server import Server
    from sfu.signaling.access import Access

__all__ = ["Door"]


class Door:
    """What all dialects of one application share."""

    def __init__(self, server: Server, access: Access) -> None:
        """Into `server`, for those whom `access` admits."""
        self.server = server
        self.access = access
        self._dialogues: dict[str, Dialogue] = {}
        self._timers: dict[str, Timer] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def join(self, message: dict[str, Any]) -> Dialogue:
        """Let a client of the page protocol in. Raises what `signaling.refusals.error_message` translates."""
        grant = self.access.admit(message.get("token"))
        name = grant.room_for(message.get("room"))
        identity = grant.identity_for(message.get("identity"))
        room = await self.server.room(name)
        session = await room.join(
            identity,
            name=grant.name or message.get("name", ""),
            auto_subscribe=message.get("auto_subscribe", True),
            can_publish=grant.sources,
            can_subscribe=grant.subscribe,
            metadata=grant.metadata or message.get("metadata", ""),
            attributes={**message.get("attributes", {}), **grant.attributes},
        )
        dialogue = Dialogue(room, session, grant, self.server.config.resume_timeout)
        self._dialogues[dialogue.resume_token] = dialogue
        self._spawn(self._run(dialogue))
        return dialogue

    def resume(self, token: str) -> Dialogue:
        """The client that had to go. Raises `BadMessage` when it is too late."""
        dialogue = self._dialogues.get(token)
        if dialogue is None or dialogue.session.ended is not None:
            raise BadMessage("there is nothing to resume any more: join without it", code="resume_failed")
        self._stop_timer(token)
        return dialogue

    def lost(self, dialogue: Dialogue) -> None:
        """Its WebSocket is gone: wait for it to come back, for a while."""
        token = dialogue.resume_token
        if token in self._dialogues:
            self._stop_timer(token)
            timeout = self.server.config.resume_timeout
            self._timers[token] = self.server.call_later(timeout, lambda: self._give_up(dialogue))

    def _give_up(self, dialogue: Dialogue) -> None:
        if not dialogue.attached and dialogue.session.ended is None:
            self._spawn(dialogue.session.close())

    async def _run(self, dialogue: Dialogue) -> None:
        try:
            await dialogue.run()
        finally:
            self._stop_timer(dialogue.resume_token)
            self._dialogues.pop(dialogue.resume_token, None)

    def _stop_timer(self, token: str) -> None:
        if (timer := self._timers.pop(token, None)) is not None:
            timer.cancel()

    def _spawn(self, coroutine: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
