"""A web server on this machine for the tests of downloads: it serves bytes, and misbehaves on demand."""

import hashlib
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Site:
    """Serves `files` (path to bytes) while it is entered; `url(path)` is an address, `asked` what was asked.

    `asked` holds (method, path, Range or None). For a path, `statuses` are the answers that come before
    the file does, `cuts` how many bytes the first, second, ... answer gives before the connection is closed
    (None: all), `ranges` whether parts are given, `stall` seconds of silence after a cut instead of closing,
    `drip` seconds between pieces of 1,000 bytes, `redirects` the path that an answer points to.
    """

    def __init__(self, files):
        self.files, self.asked = dict(files), []
        self.statuses, self.cuts, self.stall, self.drip, self.redirects = {}, {}, 0.0, 0.0, {}
        self.ranges, self.headers = True, {}

    def __enter__(self):
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self.server.daemon_threads = True
        self.server.handle_error = lambda *_: None  # a client that hangs up is what some tests are about
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()

    def url(self, path=""):
        return f"http://127.0.0.1:{self.server.server_port}{path}"


def _handler(site):
    class Handler(BaseHTTPRequestHandler):
        def do_HEAD(self):
            self.answer(body=False)

        def do_GET(self):
            self.answer(body=True)

        def answer(self, body):
            path = self.path.partition("?")[0]
            wanted = self.headers.get("Range")
            site.asked.append((self.command, path, wanted))
            if path in site.redirects:
                self.send_response(302)
                self.send_header("Location", site.redirects[path])
                self.send_header("Content-Length", "0")
                return self.end_headers()
            queue = site.statuses.get(path, [])
            if queue or path not in site.files:
                return self.send_error(queue.pop(0) if queue else 404)
            data, start = site.files[path], 0
            if wanted and site.ranges:
                start = int(wanted.removeprefix("bytes=").split("-")[0])
                if start >= len(data):
                    return self.send_error(416)
            self.send_response(206 if wanted and site.ranges else 200)
            for name, value in site.headers.get(path, {}).items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(data) - start))
            if wanted and site.ranges:
                self.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
            self.end_headers()
            if body:
                self.send(data[start:], site.cuts.get(path, []))

        def send(self, data, cuts):
            cut = cuts.pop(0) if cuts else None
            for at in range(0, len(data) if cut is None else cut, 1000):
                self.wfile.write(data[at : min(at + 1000, len(data) if cut is None else cut)])
                if site.drip:
                    time.sleep(site.drip)
            self.wfile.flush()
            if cut is not None:
                time.sleep(site.stall)
                self.close_connection = True

        def log_message(self, *_):
            pass

    return Handler


COMMIT = "0123456789abcdef0123456789abcdef01234567"


def hub(repository, files, *, kind="model", large=()):
    """A Site with one commit of a repository, as the hub gives it; `large` are stored by sha256."""
    prefix = "" if kind == "model" else f"{kind}s/"
    site, tree = Site({}), []
    for name, data in files.items():
        path = f"/{prefix}{repository}/resolve/{COMMIT}/{name}"
        oid = hashlib.sha1(f"blob {len(data)}\0".encode() + data).hexdigest()
        entry = {"type": "file", "path": name, "size": len(data), "oid": oid}
        if name in large:
            sha256 = hashlib.sha256(data).hexdigest()
            entry["lfs"] = {"oid": sha256, "size": len(data), "pointerSize": 130}
        site.files[path] = data
        etag = hashlib.sha256(data).hexdigest() if name in large else oid
        site.headers[path] = {"ETag": f'"{etag}"', "X-Repo-Commit": COMMIT, "X-Linked-Size": str(len(data))}
        tree.append(entry)
    listing = f"/api/{kind}s/{repository}/tree/{COMMIT}"
    site.files[listing] = json.dumps(tree).encode()
    site.headers[listing] = {"Content-Type": "application/json"}
    return site
