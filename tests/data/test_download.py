"""Against a server of our own on this machine: the public ones are not needed to know that resuming and hashing work."""

import base64
import hashlib
import http.server
import json
import threading

import pytest

from equijax.data import registry
from equijax.data.registry import PUBLIC, Plan, RemoteFile, fetch, plan
from equijax.errors import ConfigError, DownloadError

CONTENT = bytes(range(256)) * 400
MD5 = "md5:" + hashlib.md5(CONTENT).hexdigest()


class Handler(http.server.BaseHTTPRequestHandler):
    requests: list = []  # noqa: RUF012 (shared with the test on purpose)
    cut = None

    def do_GET(self):
        wanted = self.headers.get("Range")
        self.requests.append(wanted)
        if wanted and int(wanted[6:-1]) >= len(CONTENT):
            self.send_response(416)
            self.send_header("Content-Range", f"bytes */{len(CONTENT)}")
            self.end_headers()
            return
        if self.path.startswith("/list"):
            second = "pageToken" in self.path
            item = {
                "name": f"public_dataset/temperature_044/train/aggregated_data_{1 + second}.pickle",
                "size": str(len(CONTENT)),
                "md5Hash": base64.b64encode(hashlib.md5(CONTENT).digest()).decode(),
            }
            body = json.dumps({"items": [item]} | ({} if second else {"nextPageToken": "more"})).encode()
        else:
            body = CONTENT[int(wanted[6:-1]) :] if wanted else CONTENT
        self.send_response(206 if wanted else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[: Handler.cut] if Handler.cut else body)

    def log_message(self, *_):
        pass


@pytest.fixture
def server():
    Handler.requests, Handler.cut = [], None
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{running.server_port}"
        running.shutdown()


def one(url, digest=MD5):
    return Plan(PUBLIC["botan"], (RemoteFile(f"{url}/set.bin", "set.bin", len(CONTENT), digest),))


def test_a_download_that_was_cut_goes_on_where_it_stopped(server, tmp_path):
    Handler.cut = 70_000
    with pytest.raises(DownloadError, match="run the same command again to go on"):
        fetch(one(server), tmp_path, quiet=True)
    assert not (tmp_path / "botan" / "set.bin").exists()
    Handler.cut = None
    (path,) = fetch(one(server), tmp_path, quiet=True)
    assert path.read_bytes() == CONTENT
    assert Handler.requests[-1] == "bytes=65536-"  # the last whole chunk
    before = len(Handler.requests)
    fetch(one(server), tmp_path, quiet=True)
    assert len(Handler.requests) == before  # what is there and right is not fetched again


def test_more_than_there_is_was_not_a_part_of_it(server, tmp_path):
    """Where neither size nor hash is published, what the server says of the length is all that is known."""
    unknown = Plan(PUBLIC["botan"], (RemoteFile(f"{server}/set.bin", "set.bin", None, None),))
    partial = tmp_path / "botan" / ".set.bin.part"
    partial.parent.mkdir()
    partial.write_bytes(CONTENT + b"more")
    with pytest.raises(DownloadError, match=f"{len(CONTENT) + 4} bytes had come of {len(CONTENT)}; they were thrown away"):
        fetch(unknown, tmp_path, quiet=True)
    partial.write_bytes(CONTENT)
    (path,) = fetch(unknown, tmp_path, quiet=True)
    assert path.read_bytes() == CONTENT


def test_a_file_with_another_hash_is_refused(server, tmp_path):
    with pytest.raises(DownloadError, match="not what its hash says"):
        fetch(one(server, "md5:" + "0" * 32), tmp_path, quiet=True)
    assert not (tmp_path / "botan" / "set.bin").exists()


def test_the_bucket_is_listed_with_hashes_and_a_part_can_be_taken(server, monkeypatch):
    whole = plan("deepmind", listing=f"{server}/list")
    assert len(whole.files) == 2
    assert all(file.hash == MD5 and file.size == len(CONTENT) for file in whole.files)
    part = plan("deepmind", "aggregated_data_2", listing=f"{server}/list")
    assert [file.name for file in part.files] == ["public_dataset/temperature_044/train/aggregated_data_2.pickle"]
    assert "licence" in part.announcement()


def test_size_and_licence_are_announced():
    assert plan("glassbench", "zip").announcement().startswith("glassbench: 1 file, 6.04 GB, licence CC-BY-4.0")
    assert "without a published hash" in plan("botan").announcement()


def test_unknown_sets_parts_and_servers_are_explained(server):
    with pytest.raises(ConfigError, match="there is no public set 'glass'"):
        plan("glass")
    with pytest.raises(ConfigError, match="no file has 'T9' in its name"):
        plan("glassbench", "T9")
    with pytest.raises(DownloadError, match="list of files cannot be read"):
        plan("deepmind", listing="http://127.0.0.1:9/none")
    assert registry.PUBLIC.keys() == {"glassbench", "botan", "deepmind"}
