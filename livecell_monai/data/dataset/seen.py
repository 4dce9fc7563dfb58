"""What a network was trained on: parts of images, which its bundle lists and every training from it inherits."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import astuple
from typing import Any

from livecell_monai.data.dataset.identity import hash_file, name_file
from livecell_monai.errors import BundleError
from livecell_monai.sample import Region, Sample

TRAINED_ON = "trained_on"  #: key under `training` in metadata.json: what `list_seen` returns
SEEN_BY_START = "seen_by_start"  #: key beside it: names of the validation images that the start was trained on
Seen = Mapping[str, Sequence[Region | None]]  #: parts of each image by the SHA-256 of its file; None is the whole image


def list_seen(samples: Iterable[Sample], hashes: Mapping[str, str], before: Seen) -> dict[str, list[list[int] | None]]:
    """The parts as plain values: those of training samples, by their `hash_samples`, and those that the start had seen."""
    found = {digest: list(parts) for digest, parts in before.items()}
    for sample in samples:
        parts = found.setdefault(hashes[name_file("image", sample, sample.image)], [])
        if sample.region not in parts:
            parts.append(sample.region)
    return {
        digest: [None if part is None else list(astuple(part)) for part in parts] for digest, parts in sorted(found.items())
    }


def read_seen(training: Mapping[str, Any], where: object) -> Seen:
    """The parts that the entry `training` of a bundle's metadata lists; all of its images if it lists none.

    Raises a BundleError that begins with `where` if they are not as a training writes them.
    """
    try:
        if TRAINED_ON not in training:
            files = training.get("files_sha256", {})
            return {digest: [None] for name, digest in files.items() if name.startswith("image/")}
        return {
            digest: [None if part is None else Region(*map(int, part)) for part in parts]
            for digest, parts in training[TRAINED_ON].items()
        }
    except (TypeError, ValueError, AttributeError) as error:
        raise BundleError(
            f"{where}: metadata.json must list the images of the training as it left them, got {type(error).__name__}; "
            "restore the file"
        ) from error


def find_seen(samples: Iterable[Sample], seen: Seen) -> list[str]:
    """The names of the samples of which a pixel was seen."""
    return [sample.name for sample in samples if seen and _is_seen(sample.region, seen.get(hash_file(sample.image), ()))]


def _is_seen(region: Region | None, parts: Sequence[Region | None]) -> bool:
    for part in parts:
        if part is None or region is None:
            return True
        shared = region.overlap(part)
        if shared.bottom > shared.top and shared.right > shared.left:
            return True
    return False
