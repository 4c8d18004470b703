"""What users of aiortc write to pass media on, for comparison: its `MediaRelay` decodes once and encodes for each.

POST /publish/NAME takes an offer that sends audio, POST /watch/NAME one that receives it; both answer with SDP.
"""

import argparse

import aioice.ice
import uvicorn
from aiortc import MediaStreamTrack, RTCPeerConnection, RTCSessionDescription
from aiortc.contrib.media import MediaRelay
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

relay = MediaRelay()
tracks: dict[str, MediaStreamTrack] = {}
peers: set[RTCPeerConnection] = set()


async def publish(request: Request) -> Response:
    peer = RTCPeerConnection()

    @peer.on("track")
    def _(track: MediaStreamTrack) -> None:
        tracks[request.path_params["name"]] = track

    return await answer(peer, request)


async def watch(request: Request) -> Response:
    track = tracks.get(request.path_params["name"])
    if track is None:
        return PlainTextResponse("nobody of this name publishes yet", 404, {"Retry-After": "1"})
    peer = RTCPeerConnection()
    peer.addTrack(relay.subscribe(track))
    return await answer(peer, request)


async def answer(peer: RTCPeerConnection, request: Request) -> Response:
    peers.add(peer)
    # It would be the DTLS client, which the load's peers are.
    offer = (await request.body()).decode().replace("a=setup:actpass", "a=setup:active")
    await peer.setRemoteDescription(RTCSessionDescription(offer, "offer"))
    await peer.setLocalDescription(await peer.createAnswer())
    return PlainTextResponse(peer.localDescription.sdp, 201, media_type="application/sdp")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--host", required=True)
    parser.add_argument("--port", type=int, required=True)
    options = parser.parse_args()
    # It leaves loopback out.
    aioice.ice.get_host_addresses = lambda use_ipv4, use_ipv6: [options.host]
    routes = [Route(f"/{one.__name__}/{{name}}", one, methods=["POST"]) for one in (publish, watch)]
    uvicorn.run(Starlette(routes=routes), host=options.host, port=options.port, log_level="warning")


if __name__ == "__main__":
    main()
