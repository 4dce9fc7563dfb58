"""Broken TIFF, PNG, JPEG, NIfTI, OME-XML, OME-Zarr, CZI, ND2, YAML and JSON through the readers and the commands.

Lost is what ends in a traceback, takes more than 10 s or 2 GB, prints what no user can read, or is taken for an image
that its bytes are not. An input is named by the seed of the run and its number:
`python -m fuzz.driver TIFF 0 17` tells what that one is and what comes of it.
"""

import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from fuzz import header_mutations, tiff_mutations
from fuzz.choosing import choose_input
from fuzz.commands import try_commands, write_training
from fuzz.reading import try_image
from fuzz.seed import Seed
from fuzz.seeds import list_seeds
from fuzz.settings import list_texts, try_text
from fuzz.tried import Tried
from fuzz.watch import watch
from fuzz.xml_mutations import list_ome_seeds
from livecell_monai.data.readers.base import import_extra
from livecell_monai.errors import SettingError
from livecell_monai.tasks import train

KINDS = {"TIFF": ("TIFF",), "PNG and JPEG": ("PNG", "JPEG"), "NIfTI": ("NIfTI",), "OME-XML": ("OME-XML",)}
KINDS |= {"OME-Zarr": ("OME-Zarr",), "CZI and ND2": ("CZI", "ND2")}
TIMES = {"TIFF": 1500, "PNG and JPEG": 800, "NIfTI": 800, "OME-XML": 600, "OME-Zarr": 300, "CZI and ND2": 300}
BATCH = 8  # files of one folder that a command gets
MOST_TOLD = 20  # losses of each kind
_SMALL: dict[str, Any] = {"track": False, "show_progress": False, "scale": 1.0, "epochs": 1, "compile": False}
_SMALL |= {"filters": [4, 8], "patch_size": [32, 32], "window": [64, 64], "samples_per_epoch": 8, "batch_size": 4}


def run(seconds: float, seed: int) -> list[Tried]:
    """Try as much of each kind as the time allows, the readers first."""
    start = time.monotonic()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        data, bundle = folder / "data", folder / "bundle"
        write_training(data)
        _make_bundle(data, bundle)
        seeds = [*list_seeds(), *list_ome_seeds()]
        tried = [
            _try_readers(what, seeds, seed, folder, start + seconds * share)
            for what, share in zip(TIMES, (0.25, 0.33, 0.4, 0.48, 0.54, 0.57), strict=True)
        ]
        tried.append(_try_bombs(folder, start + seconds * 0.72))
        tried.append(_try_folders(seeds, seed, folder, bundle, start + seconds * 0.88))
        tried.append(_try_texts(seed, folder, data, bundle, start + seconds * 0.97))
    return tried


def _make_bundle(data: Path, bundle: Path) -> None:
    """Train in a process of its own: what is forked later must not find torch's threads begun."""

    def work(_: int) -> list[str]:
        train(data, bundle, settings=_SMALL)
        return []

    (_, wrong), *_ = watch(work, [0], time.monotonic() + 1, seconds=300)
    if wrong:
        raise RuntimeError(f"the training that all rests on failed: {wrong[0]}")


def _try_readers(what: str, seeds: Sequence[Seed], seed: int, folder: Path, until: float) -> Tried:
    chosen = [one for one in seeds if one.kind in KINDS[what]]
    if not chosen:
        return Tried(f"{what}: their libraries are not installed", 0)
    _import_readers()
    return _count(
        f"broken {what}, read by the readers",
        lambda number: _read(choose_input(chosen, seed, number), folder / "read"),
        range(TIMES[what]),
        until,
        f"python -m fuzz.driver '{what}' {seed}",
    )


def _try_bombs(folder: Path, until: float) -> Tried:
    """Each in a process of its own: what it takes, and what it leaves behind, is its own."""
    bombs = [*tiff_mutations.list_bombs(), *header_mutations.list_bombs()]
    work = lambda number: _read(bombs[number], folder / "bombs")  # noqa: E731
    return _count("decompression bombs of up to 2^62 pixels, read by the readers", work, range(len(bombs)), until, "bomb")


def _try_folders(seeds: Sequence[Seed], seed: int, folder: Path, bundle: Path, until: float) -> Tried:
    def work(number: int) -> list[str]:
        place = folder / "folder"
        shutil.rmtree(place, ignore_errors=True)
        chosen = [choose_input(seeds, seed + 1, BATCH * number + index) for index in range(BATCH)]
        return try_commands(chosen, place, bundle)

    done = _count("files given to info, check and predict", work, range(60), until, "batch", seconds=60.0)
    return Tried(done.what, done.times * BATCH, done.lost)


def _try_texts(seed: int, folder: Path, data: Path, bundle: Path, until: float) -> Tried:
    texts, place = list_texts(data, bundle), folder / "texts"
    what = "broken YAML and JSON: overlays, --set, search spaces, datalists, a bundle's configs"
    return _count(what, lambda number: try_text(texts, seed, number, place, data, bundle), range(1500), until, "text")


def _count(
    what: str, work: Callable[[int], Sequence[str]], numbers: Sequence[int], until: float, name: str, seconds: float = 10.0
) -> Tried:
    times, lost = 0, []
    for number, wrong in watch(work, numbers, until, seconds):
        times += 1
        lost += [f"{name} {number}: {line}" for line in wrong]
    return Tried(what, times, tuple(lost[:MOST_TOLD]))


def _read(broken: Seed, folder: Path) -> list[str]:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    wrong = try_image(broken, broken.write(folder, "a")).wrong
    return [] if wrong is None else [f"{broken.kind} {broken.flavour}: {wrong}"]


def _import_readers() -> None:
    for module, extra in (("zarr", "zarr"), ("nd2", "nd2"), ("pylibCZIrw.czi", "czi")):
        try:
            import_extra(Path("any"), module, extra)
        except SettingError:
            continue


def _show_text(seed: int, number: int) -> None:
    with tempfile.TemporaryDirectory() as name:
        data, bundle = Path(name) / "data", Path(name) / "bundle"
        write_training(data)
        _make_bundle(data, bundle)
        texts, place = list_texts(data, bundle), Path(name) / "texts"
        for _, wrong in watch(lambda one: try_text(texts, seed, one, place, data, bundle), [number], time.monotonic() + 1):
            print("\n".join(wrong) or "nothing wrong")


def main() -> None:
    """Tell of one input, as a loss names it: kind, or `text`, seed of the run, number."""
    what, seed, number = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    if what == "text":
        _show_text(seed, number)
        return
    chosen = [one for one in [*list_seeds(), *list_ome_seeds()] if one.kind in KINDS[what]]
    broken = choose_input(chosen, seed, number)
    print(broken.kind, broken.flavour)
    with tempfile.TemporaryDirectory() as name:
        print(try_image(broken, broken.write(Path(name), "a")))


if __name__ == "__main__":
    main()
