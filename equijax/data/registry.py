"""The public data sets: where they are, what they weigh, under which licence, and how a part of one is fetched.

Sizes and hashes of GlassBench are those of its Zenodo record; DeepMind's bucket lists size and md5 of every file. The BOTAN authors publish no
hash of their archive, so only its length can be checked.
"""

import base64
import dataclasses
from pathlib import Path
from typing import Any, cast

import pooch
import requests

from equijax.data.download import ResumingDownloader
from equijax.errors import ConfigError, DownloadError

TIMEOUT = 60


@dataclasses.dataclass(frozen=True)
class PublicSet:
    """What is known of a public data set before anything is asked of its server."""

    name: str
    about: str
    licence: str
    size: str
    parts: str


@dataclasses.dataclass(frozen=True)
class RemoteFile:
    """One file to fetch: its address, name, size in bytes and hash ("md5:..."), where they are known."""

    url: str
    name: str
    size: int | None
    hash: str | None


@dataclasses.dataclass(frozen=True)
class Plan:
    """What `fetch` will do."""

    known: PublicSet
    files: tuple[RemoteFile, ...]

    def announcement(self) -> str:
        """Return size and licence in one line."""
        sizes = [file.size for file in self.files]
        weight = self.known.size if None in sizes else f"{sum(size or 0 for size in sizes) / 1e9:.2f} GB"
        unchecked = sum(file.hash is None for file in self.files)
        note = f" {unchecked} of them without a published hash: only the length is checked." if unchecked else ""
        return f"{self.known.name}: {len(self.files)} file{'s' if len(self.files) != 1 else ''}, {weight}, licence {self.known.licence}. {self.known.about}{note}"


PUBLIC = {
    "glassbench": PublicSet(
        "glassbench", "Jung et al., Roadmap on machine learning glassy liquids; doi 10.5281/zenodo.10118191.", "CC-BY-4.0", "6.04 GB", "GlassBench.zip, README"
    ),
    "botan": PublicSet("botan", "Shiba et al., J. Chem. Phys. 158, 084503 (2023).", "Apache-2.0", "about 58 GB", "one archive"),
    "deepmind": PublicSet(
        "deepmind",
        "Bapst et al., Nature Physics 16, 448 (2020).",
        "Apache-2.0",
        "about 100 GB",
        "any text in a path, for example temperature_044/train/aggregated_data_1",
    ),
}
_ZENODO = "https://zenodo.org/records/10118191/files/{name}?download=1"
_GLASSBENCH = (
    ("GlassBench.zip", 6_042_260_027, "md5:82c83a7146eb749e13417e4350022417"),
    ("README", 2147, "md5:f1a192f54a2fa7a2b3533af0011b80dc"),
)
_BOTAN = "https://ipomoea-www.cc.u-tokyo.ac.jp/i29002/botan/public_dataset.tar.gz"
_BUCKET = "https://storage.googleapis.com/storage/v1/b/deepmind-research-glassy-dynamics/o"
_OBJECT = "https://storage.googleapis.com/deepmind-research-glassy-dynamics/"


def plan(name: str, part: str | None = None, listing: str = _BUCKET) -> Plan:
    """Return the files of a public set, or of the part whose names hold a text.

    Raises:
        ConfigError: there is no such set or part.
        DownloadError: the server that lists the files does not answer.
    """
    if name not in PUBLIC:
        raise ConfigError(f"there is no public set {name!r}; there are {', '.join(PUBLIC)}.")
    if name == "glassbench":
        files = [RemoteFile(_ZENODO.format(name=file), file, size, digest) for file, size, digest in _GLASSBENCH]
    elif name == "botan":
        files = [RemoteFile(_BOTAN, "public_dataset.tar.gz", None, None)]
    else:
        files = _bucket_files(listing)
    chosen = tuple(file for file in files if part is None or part in file.name)
    if not chosen:
        raise ConfigError(f"{name}: no file has {part!r} in its name; parts: {PUBLIC[name].parts}.")
    return Plan(PUBLIC[name], chosen)


def _bucket_files(listing: str) -> list[RemoteFile]:
    files, query = [], {"fields": "items(name,size,md5Hash),nextPageToken"}
    while True:
        try:
            answer = requests.get(listing, params=query, timeout=TIMEOUT)
            answer.raise_for_status()
            content = answer.json()
        except (requests.RequestException, ValueError) as error:
            raise DownloadError(f"deepmind: the bucket's list of files cannot be read ({error}); try again later.") from None
        for item in content.get("items", []):
            digest = f"md5:{base64.b64decode(item['md5Hash']).hex()}" if "md5Hash" in item else None
            files.append(RemoteFile(_OBJECT + item["name"], item["name"], int(item["size"]), digest))
        if not content.get("nextPageToken"):
            return files
        query["pageToken"] = content["nextPageToken"]


def fetch(planned: Plan, folder: Path, quiet: bool = False) -> list[Path]:
    """Download what is not there yet, go on where a download stopped, and check sizes and hashes.

    Args:
        planned: from `plan`.
        folder: to put the files in, under the set's name.
        quiet: no progress bars.

    Raises:
        DownloadError: a file could not be fetched whole, or is not what its hash says; the partial file is kept for the next try.
    """
    done = []
    for file in planned.files:
        target = folder / planned.known.name / file.name
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            pooch.retrieve(file.url, file.hash, target.name, target.parent, downloader=cast(Any, ResumingDownloader(target, file.size, quiet)))
        except ValueError as error:
            raise DownloadError(f"{file.name}: not what its hash says ({error}); it was thrown away, fetch it again.") from None
        done.append(target)
    return done
