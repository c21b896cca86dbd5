"""A small hub on this machine: what the client asks of the real one, for the folders that it is given."""

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

SHA = "c" * 40


class Hub(ThreadingHTTPServer):
    """Serves ``repos`` (a name → its folder); ``refuses`` (a name → status and error code) says no to the others."""

    daemon_threads = True

    def __init__(self, repos: dict[str, Path]) -> None:
        super().__init__(("127.0.0.1", 0), _Answer)
        self.repos = repos
        self.refuses: dict[str, tuple[int, str]] = {}
        self.asked: list[tuple[str, str, str | None]] = []
        """Method, path and range of every file that was asked for."""
        self.cuts: set[str] = set()
        """Files whose next transfer breaks off in the middle."""

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def fetched(self) -> set[str]:
        """Names of the files that were fetched."""
        return {path.rpartition("/")[2] for method, path, _ in self.asked if method == "GET"}


class _Answer(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Hub

    def log_message(self, *args: object) -> None:
        """Quiet."""

    def do_HEAD(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        self._answer()

    def _answer(self) -> None:
        path = self.path.partition("?")[0].strip("/")
        words = path.split("/")
        is_about = words[:2] == ["api", "models"]
        name = "/".join(words[2:4] if is_about else words[:2])
        status, code = self.server.refuses.get(name, (200, ""))
        # A gated model can be seen by all, and its files are kept back.
        if (status != 200 and not (code == "GatedRepo" and is_about)) or name not in self.server.repos:
            known = name in self.server.repos
            self._send(status if known else 404, b"{}", {"X-Error-Code": code if known else "RepoNotFound"})
        elif is_about:
            if words[4] == "revision" and words[5] not in ("main", SHA):
                self._send(404, b"{}", {"X-Error-Code": "RevisionNotFound"})
                return
            folder = self.server.repos[name]
            files = [file for file in sorted(folder.rglob("*")) if file.is_file()]
            tree = [
                {"type": "file", "path": str(file.relative_to(folder)), "size": file.stat().st_size, "oid": "0" * 40}
                for file in files
            ]
            said = tree if words[4] == "tree" else {"id": name, "sha": SHA, "siblings": []}
            self._send(200, json.dumps(said).encode(), {"Content-Type": "application/json"})
        else:
            self._file(path, self.server.repos[name] / "/".join(words[4:]))

    def _file(self, path: str, file: Path) -> None:
        wanted = self.headers.get("Range")
        self.server.asked.append((self.command, path, wanted))
        if not file.is_file():
            self._send(404, b"", {"X-Error-Code": "EntryNotFound"})
            return
        content = file.read_bytes()
        facts = {"ETag": f'"{hashlib.sha1(content).hexdigest()}"', "X-Repo-Commit": SHA}
        status = 200
        if wanted:
            start = int(wanted.removeprefix("bytes=").split("-")[0])
            facts["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
            content, status = content[start:], 206
        cut = self.command == "GET" and file.name in self.server.cuts
        if cut:
            self.server.cuts.remove(file.name)
        self._send(status, content, facts, only=len(content) // 2 if cut else None)

    def _send(self, status: int, content: bytes, facts: dict[str, str], only: int | None = None) -> None:
        self.send_response(status)
        for name, value in facts.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(content[:only])
        if only is not None:
            self.wfile.flush()
            self.connection.shutdown(2)
            self.close_connection = True


@contextmanager
def running(repos: dict[str, Path]) -> Iterator[Hub]:
    """A hub that answers while the block runs."""
    hub = Hub(repos)
    thread = threading.Thread(target=hub.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        hub.shutdown()
        thread.join()
        hub.server_close()
