"""A tiny HTTP server on the host with a secret that only who reaches it can tell."""
import http.server
import secrets
import threading

HOST_AS_GUESTS_SEE_IT = "10.0.2.2"  # QEMU's user networking


class NonceServer:
    """`with NonceServer() as server:` serves /nonce; server.url is what a guest fetches."""

    def __enter__(self):
        self.nonce = secrets.token_hex(16)
        self.requests = []  # paths asked for
        owner = self

        class Handler(http.server.BaseHTTPRequestHandler):
            timeout = 10  # seconds for a connection that says nothing

            def do_GET(self):
                owner.requests.append(self.path)
                is_known = self.path == "/nonce"
                body = (owner.nonce if is_known else "not here").encode() + b"\n"
                self.send_response(200 if is_known else 404)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://{HOST_AS_GUESTS_SEE_IT}:{self.server.server_port}/nonce"
        threading.Thread(target=self.server.serve_forever, args=(0.1,), daemon=True).start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()
