"""A tiny HTTP server on the host: it hands out a nonce that only who reaches it can tell, and takes
the evidence that is made for it."""
import base64
import binascii
import http.server
import secrets
import threading

HOST_AS_GUESTS_SEE_IT = "10.0.2.2"  # QEMU's user networking
EVIDENCE_LIMIT = 2 << 20  # bytes of base64: more than 1 MiB of evidence can have


class NonceServer:
    """`with NonceServer() as server:` serves /nonce; server.url is what a guest fetches, and
    server.evidence_url where it posts evidence, in base64, which comes to server.evidence."""

    def __init__(self, nonce=None):
        self.nonce = nonce or secrets.token_hex(16)
        self.requests = []  # paths asked for
        self.evidence = None

    def __enter__(self):
        owner = self

        class Handler(http.server.BaseHTTPRequestHandler):
            timeout = 10  # seconds for a connection that says nothing

            def do_GET(self):
                owner.requests.append(self.path)
                is_known = self.path == "/nonce"
                self.answer(200 if is_known else 404, owner.nonce if is_known else "not here")

            def do_POST(self):
                owner.requests.append(self.path)
                size = self.headers.get("Content-Length", "")
                if self.path != "/evidence":
                    self.answer(404, "not here")
                elif not size.isdecimal() or int(size) > EVIDENCE_LIMIT:
                    self.answer(400, "evidence has a length, of 1 MiB at most")
                else:
                    self.take(self.rfile.read(int(size)))

            def take(self, text):
                try:
                    owner.evidence = base64.b64decode(b"".join(text.split()), validate=True)
                except binascii.Error as error:
                    self.answer(400, f"not base64: {error}")
                else:
                    self.answer(200, f"{len(owner.evidence)} bytes")

            def answer(self, status, text):
                body = text.encode() + b"\n"
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        base = f"http://{HOST_AS_GUESTS_SEE_IT}:{self.server.server_port}"
        self.url, self.evidence_url = f"{base}/nonce", f"{base}/evidence"
        threading.Thread(target=self.server.serve_forever, args=(0.1,), daemon=True).start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()
