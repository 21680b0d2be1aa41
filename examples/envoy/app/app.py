#!/usr/bin/env python3
"""The backend: balances as JSON, and the SPIFFE ID of whoever asked, which Envoy has verified.

    app.py [PORT]       on loopback only; default: 8080
"""

import json
import re
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

BALANCES = {"balance_1": 120, "balance_2": 75}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"  # keeps connections open

    def do_GET(self) -> None:
        name = self.path.removeprefix("/balances/")
        if name not in BALANCES:
            self.answer(404, {"error": f"nothing at {self.path}"})
            return
        # Envoy removes this header from what the client has sent, and sets its own.
        caller = re.search(r"URI=([^;,]+)", self.headers.get("x-forwarded-client-cert", ""))
        self.answer(200, {name: BALANCES[name], "asked_by": caller[1] if caller else "nobody"})

    def answer(self, status: int, content: dict) -> None:
        body = json.dumps(content).encode() + b"\n"
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        # One write for all of it.
        self._headers_buffer.append(b"\r\n" + body)
        self.flush_headers()

    def log_message(self, *_: object) -> None:
        pass  # Envoy has an access log


if __name__ == "__main__":
    port = int(sys.argv[1]) if len(sys.argv) > 1 else 8080
    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    print(f"listening on port {port}", flush=True)
    server.serve_forever()
