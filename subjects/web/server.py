"""A small shop: `web` answers /cart by asking one stock server after the other; a stock server answers /stock by itself.

Both count what they answered and how long it took, for Prometheus.
"""

import itertools
import os
import time
import urllib.error
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from prometheus_client import CONTENT_TYPE_LATEST, Counter, Histogram, generate_latest

# Servers to ask, e.g. "stock0:8080 stock1:8080"; none: this one has the stock.
STOCK = os.environ.get("STOCK", "").split()
# How long they are waited for, in seconds.
PATIENCE = float(os.environ.get("PATIENCE", "1"))

REQUESTS = Counter("http_requests", "Requests answered.", ["code"])
LATENCY = Histogram(
    "http_request_duration_seconds",
    "From a request to its answer.",
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5),
)
# So that rates of errors exist before the first error.
for code in ("200", "502"):
    REQUESTS.labels(code)

# One after the other, from any thread.
turn = itertools.cycle(STOCK)


def answer():
    if not STOCK:
        return 200, b'{"in_stock": 7}\n'
    try:
        with urllib.request.urlopen(f"http://{next(turn)}/stock", timeout=PATIENCE) as stock:
            return 200, stock.read()
    except (urllib.error.URLError, OSError) as error:
        return 502, f"stock: {error}\n".encode()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # Each answer leaves as one packet.
    wbufsize = -1
    disable_nagle_algorithm = True

    def do_GET(self):
        if self.path == "/metrics":
            self.send(200, generate_latest(), CONTENT_TYPE_LATEST)
        elif self.path == "/healthy":
            self.send(200, b"yes\n")
        elif self.path in ("/cart", "/stock"):
            begun = time.monotonic()
            code, body = answer()
            LATENCY.observe(time.monotonic() - begun)
            REQUESTS.labels(str(code)).inc()
            self.send(code, body, "application/json")
        else:
            self.send(404, b"no such page\n")

    def send(self, code, body, kind="text/plain"):
        self.send_response(code)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


class Server(ThreadingHTTPServer):
    # Clients that come at once wait for their turn instead of being refused.
    request_queue_size = 1024


Server(("", 8080), Handler).serve_forever()
