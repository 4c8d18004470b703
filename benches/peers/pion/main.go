// A bare forwarder on pion/webrtc, for comparison: what its users would write, and nothing that slows it down.
//
// POST /publish/NAME takes an offer that sends one video track, POST /watch/NAME one that receives it; both answer with
// SDP. One UDP port, ICE lite, no interceptors: no reports, no retransmissions, no congestion control.
package main

import (
	"flag"
	"io"
	"net"
	"net/http"
	"sync"

	"github.com/pion/interceptor"
	"github.com/pion/webrtc/v4"
)

var (
	api    *webrtc.API
	tracks sync.Map // by the publisher's name
)

func main() {
	page := flag.String("http", "127.0.0.1:8080", "where offers are posted")
	media := flag.String("udp", "127.0.0.1:7882", "where all media goes")
	flag.Parse()
	socket := must(net.ListenUDP("udp4", must(net.ResolveUDPAddr("udp4", *media))))
	check(socket.SetReadBuffer(4 << 20))
	check(socket.SetWriteBuffer(4 << 20))
	settings, codecs := webrtc.SettingEngine{}, &webrtc.MediaEngine{}
	settings.SetLite(true)
	settings.SetIncludeLoopbackCandidate(true)
	settings.SetICEUDPMux(webrtc.NewICEUDPMux(nil, socket))
	check(settings.SetAnsweringDTLSRole(webrtc.DTLSRoleServer))
	check(codecs.RegisterDefaultCodecs())
	api = webrtc.NewAPI(webrtc.WithSettingEngine(settings), webrtc.WithMediaEngine(codecs),
		webrtc.WithInterceptorRegistry(&interceptor.Registry{}))
	http.HandleFunc("POST /publish/{name}", func(response http.ResponseWriter, request *http.Request) {
		answer(response, request, func(peer *webrtc.PeerConnection) {
			peer.OnTrack(func(remote *webrtc.TrackRemote, _ *webrtc.RTPReceiver) {
				forward(remote, request.PathValue("name"))
			})
		})
	})
	http.HandleFunc("POST /watch/{name}", func(response http.ResponseWriter, request *http.Request) {
		track, found := tracks.Load(request.PathValue("name"))
		if !found {
			response.Header().Set("Retry-After", "1")
			http.Error(response, "nobody of this name publishes yet", http.StatusNotFound)
			return
		}
		answer(response, request, func(peer *webrtc.PeerConnection) {
			must(peer.AddTrack(track.(webrtc.TrackLocal)))
		})
	})
	check(http.ListenAndServe(*page, nil))
}

// Until the publisher goes. That a watcher has gone is no reason to stop.
func forward(remote *webrtc.TrackRemote, name string) {
	track := must(webrtc.NewTrackLocalStaticRTP(remote.Codec().RTPCodecCapability, "video", name))
	tracks.Store(name, track)
	for {
		packet, _, err := remote.ReadRTP()
		if err != nil {
			return
		}
		_ = track.WriteRTP(packet)
	}
}

// An offer in, an answer with all candidates out. What cannot be answered ends as a broken connection.
func answer(response http.ResponseWriter, request *http.Request, prepare func(*webrtc.PeerConnection)) {
	offer := webrtc.SessionDescription{Type: webrtc.SDPTypeOffer, SDP: string(must(io.ReadAll(request.Body)))}
	peer := must(api.NewPeerConnection(webrtc.Configuration{}))
	prepare(peer)
	check(peer.SetRemoteDescription(offer))
	gathered := webrtc.GatheringCompletePromise(peer)
	check(peer.SetLocalDescription(must(peer.CreateAnswer(nil))))
	<-gathered
	response.Header().Set("Content-Type", "application/sdp")
	response.WriteHeader(http.StatusCreated)
	must(io.WriteString(response, peer.LocalDescription().SDP))
}

func must[T any](value T, err error) T {
	check(err)
	return value
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}
