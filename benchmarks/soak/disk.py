"""Disks that fill up at a byte of choice: small ones where the system lets one be made, or a limit on the size of files."""

import contextlib
import csv
import json
import os
import resource
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import tifffile
from PIL import Image

PAGE = 4096  # bytes that a small disk is handed out by
Files = dict[str, bytes]


@contextlib.contextmanager
def limiting_files(most: int) -> Iterator[None]:
    """Let no file of this process grow beyond so many bytes: the system refuses, as it does on a full disk."""
    usual = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, usual[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, usual)


@contextlib.contextmanager
def small_disk(megabytes: int) -> Iterator[Path | None]:
    """The folder of a disk in memory of a few megabytes; None where the system lets nobody make one."""
    with tempfile.TemporaryDirectory() as root:
        folder = Path(root) / "disk"
        folder.mkdir()
        mounted = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(folder)]
        try:
            done = subprocess.run(mounted, capture_output=True, check=False).returncode == 0
        except OSError:
            done = False
        try:
            yield folder if done else None
        finally:
            if done:
                subprocess.run(["umount", "--lazy", str(folder)], check=False)


@contextlib.contextmanager
def leaving(disk: Path, free: int) -> Iterator[None]:
    """Fill a small disk up until so many bytes are free; make room again at the end."""
    filler = disk / "filler"
    state = os.statvfs(disk)
    filler.write_bytes(bytes(max(0, state.f_bavail * state.f_frsize - free) // PAGE * PAGE))
    try:
        yield
    finally:
        filler.unlink()


def read_files(folder: Path) -> Files:
    """The bytes of every file by its path, hidden ones among them."""
    paths = (path for path in sorted(folder.rglob("*")) if path.is_file() and path.name != "filler")
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths}


#: what is written bit by bit, and read by those who go on with it
UNDER_WAY = (".unfinished", ".writing/", ".tracking/")


def find_torn(folder: Path) -> list[str]:
    """The files that are not whole, and temporary ones that were left behind."""
    torn = []
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        if path.is_dir() or path.name == "filler" or path.suffix == ".lock" or any(part in name for part in UNDER_WAY):
            continue
        if path.name.startswith(".writing-") or path.suffix == ".partial":
            torn.append(f"{name} was left behind")
        elif not _is_whole(path):
            torn.append(f"{name} is half a file")
    return torn


def _is_whole(path: Path) -> bool:
    try:
        if path.suffix == ".tif":
            return _is_whole_tiff(path)
        elif path.suffix == ".png":
            with Image.open(path) as picture:
                picture.load()
        elif path.suffix == ".json":
            json.loads(path.read_text(encoding="utf-8"))
        elif path.suffix == ".csv":
            with open(path, newline="", encoding="utf-8") as stream:
                rows = list(csv.reader(stream))
            return len({len(row) for row in rows}) == 1 and path.read_bytes().endswith(b"\n")
        elif path.suffix == ".html":
            return path.read_text(encoding="utf-8").rstrip().endswith("</html>")
    except Exception:  # whatever a reader says of half a file
        return False
    return path.stat().st_size > 0 or path.name.startswith(".")


def _is_whole_tiff(path: Path) -> bool:
    """Whether a file has all that its pages point at; tifffile by itself reads on over what is missing."""
    size = path.stat().st_size
    with tifffile.TiffFile(path) as tif:
        ends = [
            offset + count for page in tif.pages for offset, count in zip(page.dataoffsets, page.databytecounts, strict=True)
        ]
        return bool(ends) and max(ends) <= size and tif.asarray().size > 0
