"""A server of one file on this machine, which breaks off when it is told to."""

import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

CONTENT = bytes(range(256)) * 4000


class Served(BaseHTTPRequestHandler):
    """Serves `server.content`; each answer breaks off after as many bytes as `server.cuts` says next."""

    def do_GET(self):
        server = self.server
        server.asked.append(self.headers.get("Range"))
        if server.status != 200:
            self.send_error(server.status)
            return
        first = 0
        wanted = self.headers.get("Range")
        if wanted and self.headers.get("If-Range") == server.tag:
            first = int(wanted.removeprefix("bytes=").removesuffix("-"))
        self.send_response(206 if first else 200)
        rest = server.content[first:]
        if first:
            self.send_header("Content-Range", f"bytes {first}-{len(server.content) - 1}/{len(server.content)}")
        if server.says_length:
            self.send_header("Content-Length", str(len(rest)))
        self.send_header("ETag", server.tag)
        self.end_headers()
        cut = server.cuts.pop(0) if server.cuts else None
        self.wfile.write(rest[:cut])

    def log_message(self, *words):
        pass


@contextmanager
def serving(*cuts, content=CONTENT, status=200, says_length=True, tag='"one"'):
    server = ThreadingHTTPServer(("127.0.0.1", 0), Served)
    server.content, server.cuts, server.status, server.tag = content, list(cuts), status, tag
    server.says_length, server.asked = says_length, []
    server.url = f"http://127.0.0.1:{server.server_port}/files/set%20one.zip?download=1"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
