"""A downloader for pooch that goes on where it stopped; pooch's own starts over."""

import os
from pathlib import Path

import requests

from equijax.bars import Bar
from equijax.errors import DownloadError

CHUNK = 2**16
TIMEOUT = 60


class ResumingDownloader:
    """Downloads to `.NAME.part` beside the target and hands the whole file to pooch, which checks its hash and renames it.

    Args:
        target: where the file will be.
        size: in bytes, if known.
        quiet: no progress bar.
    """

    def __init__(self, target: Path, size: int | None, quiet: bool) -> None:
        self.partial = target.with_name(f".{target.name}.part")
        self.size, self.quiet = size, quiet

    def __call__(self, url: str, output_file: str, pooch: object, check_only: bool = False) -> bool | None:
        """Fetch `url` into `output_file`, as pooch asks its downloaders to.

        Raises:
            DownloadError: the connection failed or the length is wrong; what has come is kept.
        """
        if check_only:
            return requests.head(url, timeout=TIMEOUT, allow_redirects=True).ok
        have = self.partial.stat().st_size if self.partial.exists() else 0
        if self.size is None or have < self.size:
            self._append(url, have)
        got = self.partial.stat().st_size
        if self.size is not None and got != self.size:
            if got > self.size:
                self.partial.unlink()
            raise DownloadError(f"{self.partial.name[1:-5]}: {got} of {self.size} bytes have come; run the same command again to go on.")
        os.replace(self.partial, output_file)
        return None

    def _append(self, url: str, have: int) -> None:
        headers = {"Range": f"bytes={have}-"} if have else {}
        try:
            with requests.get(url, headers=headers, stream=True, timeout=TIMEOUT) as answer:
                if answer.status_code == 416:  # nothing is left to come, if the file is as long as that
                    whole = answer.headers.get("Content-Range", "").rpartition("/")[2]
                    if whole.isdigit() and int(whole) != have:
                        self.partial.unlink()
                        raise DownloadError(f"{self.partial.name[1:-5]}: {have} bytes had come of {whole}; they were thrown away, run the same command again.")
                    return
                answer.raise_for_status()
                resumed = answer.status_code == 206
                total = int(answer.headers.get("Content-Length", 0)) + (have if resumed else 0)
                bar = Bar(total=total or None, initial=have if resumed else 0, unit="B", unit_scale=True, desc=self.partial.name[1:-5], disable=self.quiet)
                with open(self.partial, "ab" if resumed else "wb") as handle, bar:
                    for chunk in answer.iter_content(CHUNK):
                        handle.write(chunk)
                        bar.update(len(chunk))
            if total and self.partial.stat().st_size < total:
                raise DownloadError(f"{self.partial.name[1:-5]}: the connection ended early; run the same command again to go on.")
        except requests.RequestException as error:
            raise DownloadError(f"{self.partial.name[1:-5]}: the download stopped ({error}); run the same command again to go on.") from None
