"""Identifies the data of a result: SHA-256 of every file and of the whole set."""

import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path

from livecell_monai.data.paths import ending_of
from livecell_monai.data.readers import find_file
from livecell_monai.sample import IMAGE, Sample


def hash_file(path: str | Path) -> str:
    """SHA-256 of a file as 64 hexadecimal digits; of a folder (OME-Zarr) that of the names and bytes of its files."""
    if Path(path).is_dir():
        files = sorted(inside for inside in Path(path).rglob("*") if inside.is_file())
        return digest_of({inside.relative_to(path).as_posix(): hash_file(inside) for inside in files})
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def hash_samples(samples: Iterable[Sample]) -> dict[str, str]:
    """SHA-256 of every file of the samples by `role/file name`, sorted; independent of their folder."""
    return {name: hash_file(path) for name, path in list_files(samples).items()}


def list_files(samples: Iterable[Sample], unlabelled: Iterable[Mapping[str, str]] = ()) -> dict[str, Path]:
    """Every file of the samples by `role/file name`, and of unlabelled items by `unlabelled/path`, sorted."""
    files = {
        name_file(role, sample, path): path
        for sample in samples
        for role, path in (
            ("image", sample.image),
            ("label", sample.label),
            ("border", sample.border),
            ("ignore", sample.ignore),
        )
        if path is not None
    }
    for item in unlabelled:
        path = find_file(item[IMAGE])
        files[f"unlabelled/{path}"] = path
    return dict(sorted(files.items()))


def name_file(role: str, sample: Sample, path: Path) -> str:
    """The key of a sample's file among the hashes: `image/a.tif`."""
    return f"{role}/{sample.name}{ending_of(path)}"


def digest_of(hashes: dict[str, str]) -> str:
    """One SHA-256 of a set of files: of their sorted names and hashes."""
    lines = "".join(f"{name} {digest}\n" for name, digest in sorted(hashes.items()))
    return hashlib.sha256(lines.encode()).hexdigest()
