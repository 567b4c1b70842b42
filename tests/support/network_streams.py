"""Servers that send sound over HTTP and RTSP at the pace of a microphone, for ffmpeg."""

import base64
import io
import socket
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import StreamRequestHandler, ThreadingTCPServer

import numpy as np
import soundfile
from numpy.typing import NDArray

RTP_SAMPLES = 320


@dataclass
class StreamServer:
    """A server; a test changes what it does."""

    samples: NDArray[np.int16]  # (n,) or (n, channels)
    samplerate: int
    credentials: str = ""  # user:password that it wants
    pace: float = 1.0  # how much faster than real time
    port: int = 0
    silent: threading.Event = field(default_factory=threading.Event)  # sends nothing, and waits
    ended: threading.Event = field(default_factory=threading.Event)  # ends each connection
    n_connections: int = 0
    authorizations: list[str] = field(default_factory=list)

    def pieces(self, seconds: float) -> Iterator[NDArray[np.int16]]:
        """The sound, again and again, in pieces at its pace."""
        size = round(seconds * self.samplerate)
        begin = time.monotonic()
        n_sent = 0
        at = 0
        while not self.ended.is_set():
            if self.silent.wait(0):
                time.sleep(0.02)
                begin += 0.02
                continue
            piece = self.samples[at : at + size]
            at = at + size if at + 2 * size <= len(self.samples) else 0
            yield piece
            n_sent += len(piece)
            ahead = n_sent / self.samplerate / self.pace - (time.monotonic() - begin)
            time.sleep(max(0.0, ahead))

    def is_allowed(self, authorization: str) -> bool:
        self.authorizations.append(authorization)
        expected = "Basic " + base64.b64encode(self.credentials.encode()).decode()
        return not self.credentials or authorization == expected


@contextmanager
def http_stream(server: StreamServer) -> Iterator[StreamServer]:
    """Serve as Icecast does: a WAV file without an end."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if not server.is_allowed(self.headers.get("Authorization", "")):
                self.send_response(401)
                self.send_header("WWW-Authenticate", 'Basic realm="camera"')
                self.end_headers()
                return
            server.n_connections += 1
            self.send_response(200)
            self.send_header("Content-Type", "audio/wav")
            self.end_headers()
            channels = 1 if server.samples.ndim == 1 else server.samples.shape[1]
            head = io.BytesIO()
            soundfile.write(
                head, np.zeros((1, channels), np.int16), server.samplerate, "PCM_16", format="WAV"
            )
            header = bytearray(head.getvalue()[:44])
            header[4:8] = header[40:44] = b"\xff\xff\xff\xff"
            try:
                self.wfile.write(header)
                for piece in server.pieces(0.1):
                    self.wfile.write(piece.tobytes())
            except OSError:
                pass  # the client is gone

        def log_message(self, *arguments: object) -> None:
            """Say nothing."""

    httpd = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    httpd.daemon_threads = True
    server.port = httpd.server_port
    threading.Thread(target=httpd.serve_forever, daemon=True).start()
    try:
        yield server
    finally:
        server.ended.set()
        httpd.shutdown()
        httpd.server_close()


@contextmanager
def rtsp_stream(server: StreamServer) -> Iterator[StreamServer]:
    """Serve as a camera does: RTSP over TCP, linear PCM of 16 bits in RTP (RFC 2326, RFC 3551)."""

    class Handler(StreamRequestHandler):
        def handle(self) -> None:
            try:
                while request := self._request():
                    method, _, headers = request
                    if not server.is_allowed(headers.get("authorization", "")):
                        self._answer(
                            headers, "401 Unauthorized", 'WWW-Authenticate: Basic realm="x"'
                        )
                    elif method == "DESCRIBE":
                        self._describe(headers)
                    elif method == "SETUP":
                        transport = "Transport: RTP/AVP/TCP;unicast;interleaved=0-1"
                        self._answer(headers, "200 OK", transport, "Session: 1")
                    elif method == "PLAY":
                        self._answer(headers, "200 OK", "Session: 1")
                        server.n_connections += 1
                        self._play()
                        return
                    else:
                        self._answer(headers, "200 OK", "Public: DESCRIBE, SETUP, PLAY, TEARDOWN")
            except OSError:
                pass  # the client is gone

        def _request(self) -> tuple[str, str, dict[str, str]] | None:
            line = self.rfile.readline().decode().split()
            if len(line) < 2:
                return None
            headers = {}
            while text := self.rfile.readline().decode().strip():
                name, _, value = text.partition(":")
                headers[name.lower()] = value.strip()
            return line[0], line[1], headers

        def _answer(
            self, headers: dict[str, str], status: str, *lines: str, body: str = ""
        ) -> None:
            head = [f"RTSP/1.0 {status}", f"CSeq: {headers.get('cseq', '1')}", *lines]
            if body:
                head.append(f"Content-Length: {len(body)}")
            self.wfile.write(("\r\n".join(head) + "\r\n\r\n" + body).encode())

        def _describe(self, headers: dict[str, str]) -> None:
            lines = (
                "v=0", "o=- 0 0 IN IP4 127.0.0.1", "s=camera", "c=IN IP4 127.0.0.1", "t=0 0",
                "m=audio 0 RTP/AVP 97", f"a=rtpmap:97 L16/{server.samplerate}/1",
                "a=control:track1",
            )  # fmt: skip
            body = "\r\n".join(lines) + "\r\n"
            self._answer(headers, "200 OK", "Content-Type: application/sdp", body=body)

        def _play(self) -> None:
            self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            at = 0
            for number, piece in enumerate(server.pieces(RTP_SAMPLES / server.samplerate)):
                packet = struct.pack(">BBHII", 0x80, 97, number & 0xFFFF, at & 0xFFFFFFFF, 7)
                packet += piece.astype(">i2").tobytes()
                self.wfile.write(b"$\0" + struct.pack(">H", len(packet)) + packet)
                at += len(piece)

    class Server(ThreadingTCPServer):
        allow_reuse_address = True
        daemon_threads = True

    tcp = Server(("127.0.0.1", 0), Handler)
    server.port = tcp.server_address[1]
    threading.Thread(target=tcp.serve_forever, daemon=True).start()
    try:
        yield server
    finally:
        server.ended.set()
        tcp.shutdown()
        tcp.server_close()
