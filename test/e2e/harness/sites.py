# SPDX-License-Identifier: MIT
"""Web servers of somebody who means no good.

A Site serves one page, takes the page's reports, and keeps the head of every other request that
browsers send it. A Rebinder serves a page as well; whatever else is asked of it, it hands to the
server under attack byte by byte, as if its name now led there.
"""

import json
import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        if self.path == "/page":
            self.answer(self.server.site.page.encode())
        else:
            self.keep()

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.path == "/report":
            self.server.site.reports.append(json.loads(body))
            self.answer(b"")
        else:
            self.keep()

    def keep(self):
        self.server.site.visits.append((self.command, self.path, dict(self.headers.items())))
        self.answer(b"")

    def answer(self, body):
        self.send_response(200)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Access-Control-Allow-Origin", "*")  # Any page may report.
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


class Site:
    """Use as a context manager. `page` is its page, set before a browser asks for it."""

    def __init__(self):
        self.page = ""
        self.reports = []
        self.visits = []  # (method, path, headers) of all but pages and reports.

    def __enter__(self):
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._server.site = self
        self.port = self._server.server_port
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class Rebinder:
    """Use as a context manager; `port` is that of the server under attack."""

    def __init__(self, port):
        self.page = ""
        self.handed_on = 0  # Connections.
        self._target = port

    def __enter__(self):
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_):
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()

    def _accept(self):
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        with connection:
            first = connection.recv(65536)
            if first.startswith(b"GET /page "):
                connection.sendall(self._page())
            elif first:
                self.handed_on += 1
                self._hand_on(connection, first)

    def _page(self):
        body = self.page.encode()
        head = "HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\nConnection: close\r\n"
        return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body

    def _hand_on(self, connection, first):
        with socket.create_connection(("127.0.0.1", self._target)) as server:
            server.sendall(first)
            back = threading.Thread(target=self._pump, args=(server, connection), daemon=True)
            back.start()
            self._pump(connection, server)
            back.join()

    @staticmethod
    def _pump(source, sink):
        try:
            while data := source.recv(65536):
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # One of the two has gone.
