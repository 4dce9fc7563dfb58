"""Which file is broken how, by the number of the input: the same number of the same seed gives the same bytes."""

from collections.abc import Mapping, Sequence
from random import Random

from fuzz.byte_mutations import BYTES, Mutation, splice
from fuzz.header_mutations import NIFTIS, PNGS
from fuzz.seed import Seed
from fuzz.text_mutations import break_text
from fuzz.tiff_mutations import TIFFS
from fuzz.xml_mutations import break_ome

_KNOWING: Mapping[str, tuple[Mutation, ...]] = {"TIFF": TIFFS, "PNG": PNGS, "NIfTI": NIFTIS, "OME-XML": (break_ome,)}


def choose_input(seeds: Sequence[Seed], seed: int, number: int) -> Seed:
    """A broken file.

    Args:
        seeds: valid files, of one kind or of several.
        seed: of the whole run.
        number: of the input.
    """
    random = Random(f"{seed}/{number}")
    chosen = random.choice(seeds)
    if "" not in chosen.files:
        return _break_folder(chosen, random)
    data, words = chosen.data, []
    for _ in range(random.choice((1, 1, 1, 2))):  # mostly one thing is wrong with a file
        knowing = _KNOWING.get(chosen.kind, ())
        if knowing and random.random() < 0.7:
            data, how = random.choice(knowing)(data or b"\0", random)
        elif random.random() < 0.08:
            data, how = splice(data, [other.data for other in seeds if "" in other.files], random)
        else:
            data, how = random.choice(BYTES)(data or b"\0", random)
        words.append(how)
    return chosen.broken(data, " and ".join(words))


def _break_folder(chosen: Seed, random: Random) -> Seed:
    """One file of an OME-Zarr folder is changed or missing: metadata more often than pixels."""
    notes = [name for name in chosen.files if name.rpartition("/")[2] in ("zarr.json", ".zattrs", ".zarray", ".zgroup")]
    name = random.choice(notes if random.random() < 0.7 else sorted(chosen.files))
    files = dict(chosen.files)
    if random.random() < 0.05:
        del files[name]
        how = "is missing"
    elif name in notes and random.random() < 0.8:
        files[name], how = break_text(files[name], random)
    else:
        files[name], how = random.choice(BYTES)(files[name], random)
    return Seed(chosen.kind, f"{chosen.flavour}, {name} {how}", chosen.ending, files)
