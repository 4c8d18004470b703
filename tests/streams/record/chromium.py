"""Records what Chromium sends: `python tests/streams/record/chromium.py [NAME…]` (all that are missing without names).

A page draws a counter (`page.js`) and publishes it to a server on loopback, which dumps the packets as they came. Each
recording gets a description beside it (`NAME.json`): codec, extension ids, encodings, sizes.
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent.parent))

from interop.browser import Peer  # noqa: E402
from interop.call import Call  # noqa: E402
from interop.chromium import chromium  # noqa: E402
from interop.live import live  # noqa: E402
from interop.polling import eventually  # noqa: E402

import sfu  # noqa: E402

RECORDINGS = HERE.parent / "recordings"
PAGE = (HERE / "page.js").read_text(encoding="utf-8")
DEPENDENCY_DESCRIPTOR = "https://aomediacodec.github.io/av1-rtp-spec/#dependency-descriptor-rtp-header-extension"
CAPTURE_TIME = "http://www.webrtc.org/experiments/rtp-hdrext/abs-capture-time"
ALLOCATION = "http://www.webrtc.org/experiments/rtp-hdrext/video-layers-allocation00"


@dataclass(frozen=True)
class Plan:
    """What one recording asks of the browser."""

    codec: str
    mode: str
    simulcast: int = 1
    descriptor: bool = True
    """Whether the dependency descriptor is asked for."""
    width: int = 960
    height: int = 540
    frame_rate: int = 15
    seconds: float = 5.0
    kilobits: tuple[int, ...] = (720,)
    extensions: tuple[str, ...] = field(default=(CAPTURE_TIME,))

    def encodings(self) -> list[dict[str, Any]]:
        """`RTCRtpEncodingParameters`, smallest first."""
        made = []
        for index in range(self.simulcast):
            one: dict[str, Any] = {"scalabilityMode": self.mode, "maxBitrate": self.kilobits[index] * 1000}
            if self.simulcast > 1:
                one |= {"rid": "qhf"[index], "scaleResolutionDownBy": 2 ** (self.simulcast - 1 - index)}
            made.append(one)
        return made


SIMULCAST = (70, 150, 350)
PLANS = {
    "vp8-simulcast": Plan("VP8", "L1T3", 3, descriptor=False, kilobits=SIMULCAST),
    "vp8-dd-simulcast": Plan("VP8", "L1T3", 3, kilobits=SIMULCAST),
    "vp8-dd": Plan("VP8", "L1T3", width=480, height=270, kilobits=(250,)),
    "vp9-l3t3": Plan("VP9", "L3T3"),
    "vp9-l3t3-key": Plan("VP9", "L3T3_KEY"),
    "vp9-simulcast": Plan("VP9", "L1T3", 3, descriptor=False, kilobits=(120, 300, 700)),
    "av1-l1t2": Plan("AV1", "L1T2", width=480, height=270, kilobits=(200,)),
    "av1-l3t3": Plan("AV1", "L3T3", width=1024, height=576),
    "av1-l3t3-key": Plan("AV1", "L3T3_KEY", width=1024, height=576),
    "av1-s3t3": Plan("AV1", "S3T3", width=1024, height=576, kilobits=(2000,)),
    "av1-simulcast": Plan("AV1", "L1T2", 3, kilobits=SIMULCAST),
    "h264-simulcast": Plan("H264", "L1T3", 3, kilobits=SIMULCAST),
}


async def record(name: str, plan: Plan) -> None:
    """One recording."""
    async with live() as running, chromium() as browser:
        page = await browser.blank()
        await page.call("(text) => { (0, eval)(text); }", PAGE)
        peer = await Peer.create(page, "alice")
        wanted = [*plan.extensions, *([DEPENDENCY_DESCRIPTOR] if plan.descriptor else [])]
        offered = await page.call(
            "(name, what) => publishPicture(name, what)",
            "alice",
            {
                "width": plan.width,
                "height": plan.height,
                "frameRate": plan.frame_rate,
                "codec": plan.codec,
                "encodings": plan.encodings(),
                "extensions": wanted,
            },
        )
        print(name, "offered", [one for one in offered if one[1] != "stopped"])
        room = await running.server.create_room("recording")
        async with await room.join("alice") as session:
            call = Call(session, peer)
            following = asyncio.create_task(call.follow())
            offer = await peer.do("offer")
            answer = await session.answer(offer)
            if not plan.descriptor:
                answer = re.sub(rf"a=extmap:\d+ {re.escape(DEPENDENCY_DESCRIPTOR)}\r\n", "", answer)
            elif DEPENDENCY_DESCRIPTOR not in answer:
                line = next(one for one in offer.splitlines() if one.endswith(DEPENDENCY_DESCRIPTOR))
                answer = answer.replace("a=rtcp-mux\r\n", f"a=rtcp-mux\r\n{line}\r\n", 1)
            await peer.do("accept", answer)
            track = (await call.event(sfu.OwnTrackPublished)).track

            async def outbound() -> list[dict[str, Any]]:
                return await page.call("(name) => outbound(name)", "alice")

            def sends_all(now: list[dict[str, Any]]) -> bool:
                heights = sorted(one["height"] for one in now if one["frames"] > 20)
                return len(heights) == plan.simulcast and heights[-1] == plan.height

            before = await eventually("every layer", outbound, sends_all)
            # The estimate settles.
            await asyncio.sleep(4)
            path = RECORDINGS / f"{name}.rtpdump"
            dumping = asyncio.create_task(track.dump(path, seconds=plan.seconds))
            await asyncio.sleep(0.2)
            for _ in range(int(plan.seconds // 1.3)):
                await track.request_keyframe()
                await asyncio.sleep(1.3)
            size = await dumping
            after = await outbound()
            following.cancel()
        description = {
            "codec": plan.codec.lower(),
            "plan": asdict(plan) | {"extensions": wanted},
            "browser": browser.browser.version,
            "extmap": {
                uri: int(number)
                for number, uri in re.findall(r"a=extmap:(\d+)(?:/\w+)? (\S+)", offer[offer.index("m=video") :])
                if uri in answer
            },
            "payload_types": re.findall(r"a=rtpmap:(\d+ \S+)", answer[answer.index("m=video") :]),
            "encodings": after,
        }
        (RECORDINGS / f"{name}.json").write_text(json.dumps(description, indent=1) + "\n", encoding="utf-8")
        print(
            name,
            size,
            [
                (one["rid"], one["width"], one["height"], one["mode"], one["encoder"], one["limit"])
                for one in before + after
            ],
        )


async def main(names: list[str]) -> None:
    """Record the named ones, or those that are missing."""
    RECORDINGS.mkdir(exist_ok=True)
    for name in names or [name for name in PLANS if not (RECORDINGS / f"{name}.rtpdump").exists()]:
        await record(name, PLANS[name])


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1:]))
