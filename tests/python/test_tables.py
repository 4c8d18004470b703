"""Tables and lists of the documentation that repeat the code say what the code says, no less and no more."""

from __future__ import annotations

import dataclasses
import inspect
import json
import re
from pathlib import Path
from typing import Any, get_args

from python.fake_backend import FakeBackend, event

import sfu
from sfu import cli, errors, stats
from sfu.description import SdpType
from sfu.events import SharedEvent
from sfu.member import EndReason, Source
from sfu.metrics import render
from sfu.settings import Settings
from sfu.signaling import dialogue, messages, news, refusals, ws
from sfu.signaling.access import Grant
from sfu.signaling.outbox import Outbox

DOCS = Path(__file__).parents[2] / "docs"
OPERATIONS, SIGNALING, GUIDE, TRANSPORT = (
    (DOCS / f"{page}.md").read_text() for page in ("operations", "signaling", "python", "transport")
)


def section(page: str, title: str) -> str:
    """From a heading to the next of the same depth or less."""
    depth = len(title) - len(title.lstrip("#"))
    found = re.search(rf"^{re.escape(title)}(?!\w).*?(?=^#{{1,{depth}}} |\Z)", page, re.DOTALL | re.MULTILINE)
    assert found, title
    return found[0]


def rows(text: str) -> list[list[str]]:
    """The cells of its tables' rows, without heads."""
    lines = [line.strip("|").split("|") for line in re.sub(r"^\|.*\n\|[-|]+\n", "", text, flags=re.M).splitlines()]
    return [[cell.strip() for cell in line] for line in lines if len(line) > 1]


def coded(text: str) -> list[str]:
    """What stands in backticks."""
    return re.findall(r"`([^`]+)`", re.sub(r"^```.*?^```$", "", text, flags=re.DOTALL | re.MULTILINE))


def names(text: str) -> set[str]:
    """The words of what stands in backticks."""
    return {word for code in coded(text) for word in re.findall(r"\w+", code)}


# operations.md


def test_the_options_their_variables_and_defaults() -> None:
    fields = dict(Settings.model_fields)
    assert list(cli._OPTIONS) == [name for name in fields if name in cli._OPTIONS]
    assert set(cli._OPTIONS) == set(fields)
    told: dict[str, str] = {}
    for options, variables, default, _ in rows(section(OPERATIONS, "## Options")):
        for option, variable in zip(coded(options), coded(variables), strict=False):
            told[variable.removeprefix("SFU_").lower()] = default.strip("`")
            assert variable == f"SFU_{option.removeprefix('--').replace('-', '_').upper()}" or option == "--origin"
    assert set(told) == set(fields)
    for name, field in fields.items():
        default = field.get_default(call_default_factory=True)
        nothing = default is None or default is False
        shown = ",".join(default) if isinstance(default, list) else "" if nothing else str(default)
        assert told[name] == shown, name


async def test_the_metrics() -> None:
    async with sfu.Server(backend=lambda _: FakeBackend()) as server:
        text = (await render(server)).decode()
    exist = {f"{name}_total" * (kind == "counter") or name for name, kind in kinds(text)}
    assert {name.partition("{")[0] for name in coded(section(OPERATIONS, "## Watching it")) if "sfu_" in name} == exist


def kinds(exposition: str) -> list[tuple[str, str]]:
    found = re.findall(r"^# TYPE (\w+) (\w+)", exposition, re.MULTILINE)
    return [(name.removesuffix("_total"), kind) for name, kind in found]


# signaling.md


def test_the_requests_and_their_fields() -> None:
    client = section(SIGNALING, "## Client → server")
    titles = re.findall(r"^### (.*)", client, re.MULTILINE)
    told = {kind for title in titles for kind in re.findall(r"`(\w+)`", title)}
    assert told == set(messages._MESSAGES) == set(dialogue._REQUESTS)
    for title in titles:
        kinds = re.findall(r"`(\w+)`", title)
        fields = {name for kind in kinds for name in messages._MESSAGES[kind]}
        body = section(client, f"### {title}")
        assert fields - names(body) - quoted(body) == set(), title
    assert {row[0].strip("`") for row in rows(section(client, "### `join`"))} == set(messages._MESSAGES["join"])


def quoted(text: str) -> set[str]:
    return set(re.findall(r'"(\w+)":', text))


def test_the_messages_of_the_server() -> None:
    server = section(SIGNALING, "## Server → client")
    told = {kind for title in re.findall(r"^### (.*)", server, re.M) for kind in re.findall(r"`(\w+)`", title)}
    sources = "".join(inspect.getsource(module) for module in (news, dialogue, refusals, ws))
    sent = set(re.findall(r'"type": "(\w+)"', sources))
    assert told == sent | set(get_args(SdpType))


async def test_the_whole_state() -> None:
    """The sample of `joined` has the keys of one that is sent."""
    sample = re.search(r"```json\n(.*?)```", section(SIGNALING, "### `joined`"), re.DOTALL)
    assert sample
    backend = FakeBackend()
    async with sfu.Server(backend=lambda _: backend) as server:
        room = await server.create_room("standup")
        bob, alice = await room.join("bob"), await room.join("alice")
        backend.publish(room.id, bob.id)
        subscription = await alice.subscribe(room.tracks[0])
        subscription.flows(sfu.Layer(spatial=2, temporal=1))
        backend.deliver(event("SpeakersChanged", room=room.id, speakers=[(bob.id, room.tracks[0].id, -20)]))
        slot = {"subscription": 7, "slot": 0, "mid": "s0", "track": room.tracks[0].id}
        backend.deliver(event("AudioSlotChanged", session=alice.id, **slot))
        outbox = Outbox()
        dialogue.Dialogue(room, alice, Grant(), 30.0).attach(outbox, resumed=False)
        sent = await outbox.next()
    assert shape(json.loads(sample[1])) == shape(sent)


def shape(value: Any) -> Any:
    """Keys all the way down; of a list its first item's."""
    if isinstance(value, dict):
        return {key: shape(each) for key, each in value.items()}
    return shape(value[0]) if isinstance(value, list) and value else None


def test_the_codes_of_errors() -> None:
    told = {name for row in rows(section(SIGNALING, "### `error`")) for name in coded(row[0])}
    sources = "".join(inspect.getsource(module) for module in (refusals, messages, dialogue, ws))
    sources += (Path(refusals.__file__).parent / "door.py").read_text()
    raised = set(re.findall(r'code: str = "(\w+)"|code="(\w+)"', sources))
    codes = {one or other for one, other in raised} | {code for _, code in refusals._CODES} | {"internal"}
    assert told == codes


def test_the_reasons_of_ends() -> None:
    assert set(get_args(EndReason)) <= names(section(SIGNALING, "### `closed`"))


def test_the_sources() -> None:
    assert set(get_args(Source)) <= names(section(SIGNALING, "### `publish`"))
    assert set(get_args(Source)) <= names(section(GUIDE, "## Joining"))


# python.md and transport.md


def test_the_events_of_each() -> None:
    told = {of: set(events.strip("`").split()) for of, events in rows(section(GUIDE, "## Events"))}
    kinds = {
        one: {kind.__name__ for kind in get_args(union)}
        for one, union in {
            "server": sfu.ServerEvent,
            "room": sfu.RoomEvent,
            "session": sfu.SessionEvent,
            "shared": SharedEvent,
        }.items()
    }
    dropped = {"EventsDropped"}
    assert told["server"] == kinds["server"] - dropped
    assert told["room and every session in it"] == kinds["shared"] - dropped
    assert told["room only"] == kinds["room"] - kinds["shared"] - dropped
    assert told["session only"] == kinds["session"] - kinds["shared"] - dropped


def test_the_tree_of_errors() -> None:
    tree = errors.__doc__ or ""
    drawn = {name: [] for name in re.findall(r"[├└]── (\w+)", tree)}
    assert set(drawn) | {"SfuError"} == set(errors.__all__)
    above: list[str] = ["SfuError"]
    for line in tree.splitlines():
        if found := re.match(r"    ([│ ]*)[├└]── (\w+)(?: \((\w+)\))?", line):
            depth = len(found[1]) // 4 + 1
            kind = getattr(errors, found[2])
            bases = [base.__name__ for base in kind.__bases__]
            assert bases == [above[depth - 1], *filter(None, [found[3]])], found[2]
            above[depth:] = [found[2]]
    table = section(GUIDE, "## Errors")
    assert set(errors.__all__) <= names(table)


def test_the_reasons_of_dropped_datagrams() -> None:
    told = {row[0].strip("`") for row in rows(section(TRANSPORT, "## What is dropped"))}
    assert told == {field.name for field in dataclasses.fields(stats.DropCounts)}


def test_the_statistics_that_signalling_names() -> None:
    told = names(section(section(SIGNALING, "## Server → client"), "### `stats`"))
    parts = (stats.SessionStats, stats.TransportStats, stats.TrackStats, stats.EncodingStats, stats.SubscriptionStats)
    fields = {field.name for part in parts for field in dataclasses.fields(part)}
    assert told - {"SessionStats", "type", "stats", "request"} - fields == set()
    assert {"transports", "tracks", "encodings", "subscriptions"} <= told
