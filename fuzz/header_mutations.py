"""PNG, NIfTI and gzip whose headers lie, with right checksums where there are some."""

import gzip
import struct
import zlib
from random import Random

import nibabel
import numpy as np

from fuzz.byte_mutations import BYTES, Mutation
from fuzz.png import join_chunks, split_chunks
from fuzz.seed import Seed
from fuzz.tiff_mutations import deflate_zeros

_SIZES = (0, 1, 2, 35, 36, 37, 40, 41, 1000, 30_000, 65_535, 2**31 - 1, 2**31, 2**32 - 1)
_NIFTI1 = {  # name: (offset, letter, how many)
    "sizeof_hdr": (0, "i", 1),
    "dim": (40, "h", 8),
    "datatype": (70, "h", 1),
    "bitpix": (72, "h", 1),
    "pixdim": (76, "f", 8),
    "vox_offset": (108, "f", 1),
    "scl_slope": (112, "f", 1),
    "scl_inter": (116, "f", 1),
    "xyzt_units": (123, "B", 1),
    "magic": (344, "I", 1),
    "extension": (348, "I", 2),
}
_NIFTI2 = {
    "sizeof_hdr": (0, "i", 1),
    "magic": (4, "Q", 1),
    "datatype": (12, "h", 1),
    "bitpix": (14, "h", 1),
    "dim": (16, "q", 8),
    "pixdim": (104, "d", 8),
    "vox_offset": (168, "q", 1),
    "scl_slope": (176, "d", 1),
    "scl_inter": (184, "d", 1),
    "xyzt_units": (500, "i", 1),
    "extension": (540, "I", 2),
}
_WHOLE = (-(2**31), -32768, -1, 0, 1, 2, 4, 7, 8, 16, 64, 128, 255, 256, 352, 512, 768, 1024, 2048, 2304, 32767, 2**31 - 1)
_FRACTIONS = (
    0.0,
    -1.0,
    0.5,
    2.0,
    1e-30,
    1e30,
    3.4e38,
    1e300,
    float("nan"),
    float("inf"),
    -float("inf"),
    352.5,
    351.0,
    400.0,
)


def lie_in_a_chunk(data: bytes, random: Random) -> tuple[bytes, str]:
    """A PNG whose checksums are right and whose chunks are not."""
    chunks = split_chunks(data)
    if chunks is None or chunks[0][0] != b"IHDR" or len(chunks[0][1]) != 13:  # it was broken once already
        return data, "as it was"
    at = random.randrange(len(chunks))
    kind, content = chunks[at]
    match random.choice(("head", "head", "pixels", "pixels", "drop", "again", "swap", "strange", "bytes")):
        case "head":
            head = list(struct.unpack(">IIBBBBB", chunks[0][1]))
            field = random.randrange(7)
            head[field] = random.choice(_SIZES) if field < 2 else random.choice((0, 1, 2, 3, 4, 6, 7, 8, 16, 17, 255))
            chunks[0] = (b"IHDR", struct.pack(">IIBBBBB", *head))
            words = f"IHDR {head}"
        case "pixels":
            packed = b"".join(content for kind, content in chunks if kind == b"IDAT")
            rows = _inflate(packed)
            cut = random.choice((rows[:-1], rows[: len(rows) // 2], rows + rows, rows[random.randrange(len(rows)) :], b""))
            packed = random.choice(
                (zlib.compress(cut), zlib.compress(rows)[: -random.randrange(1, 20)], packed[:-4] + b"abcd")
            )
            chunks = [chunk for chunk in chunks if chunk[0] != b"IDAT"]
            chunks.insert(-1, (b"IDAT", packed))
            words = f"rows of {len(cut)} bytes for {len(rows)}"
        case "drop":
            del chunks[at]
            words = f"{kind!r} is missing"
        case "again":
            chunks.insert(random.randrange(len(chunks) + 1), (kind, content))
            words = f"{kind!r} twice"
        case "swap":
            random.shuffle(chunks)
            words = "chunks in disorder"
        case "strange":
            name = random.choice(
                (b"iCCP", b"zTXt", b"tRNS", b"gAMA", b"acTL", b"fcTL", b"fdAT", b"PLTE", b"eXIf", b"ABCD", b"pHYs")
            )
            text = random.choice((b"", b"a\0\0" + zlib.compress(bytes(10**7)), random.randbytes(8), bytes(32)))
            chunks.insert(random.choice((1, -1)), (name, text))
            words = f"{name!r} of {len(text)} bytes"
        case _:
            content, words = random.choice(BYTES)(content or b"\0", random)
            chunks[at] = (kind, content)
            words = f"in {kind!r} {words}"
    return join_chunks(chunks), words


def lie_in_a_nifti(data: bytes, random: Random) -> tuple[bytes, str]:
    """One to three fields of a NIfTI header get extreme values; where it was compressed, it is again."""
    is_packed = data[:2] == b"\x1f\x8b"
    changed = bytearray(_unpack(data))
    if len(changed) < 540:
        return data, "as it was"
    is_second = struct.unpack_from("<i", changed)[0] == 540 or struct.unpack_from(">i", changed)[0] == 540
    order = "<" if changed[0] else ">"
    fields, words = _NIFTI2 if is_second else _NIFTI1, []
    for _ in range(random.choice((1, 1, 2, 3))):
        name = random.choice([*fields, "dim", "dim", "vox_offset"])
        offset, letter, count = fields[name]
        at = offset + struct.calcsize(letter) * random.randrange(count)
        size = struct.calcsize(letter)
        if letter in "fd":
            value: float = random.choice(_FRACTIONS)
            with np.errstate(over="ignore"):
                packed = np.array(value, f"{order}f{size}").tobytes()
        else:
            value = random.choice(_WHOLE)
            packed = (value % 2 ** (8 * size)).to_bytes(size, "little" if order == "<" else "big")
        if at + size <= len(changed):
            changed[at : at + size] = packed
        words.append(f"{name} is {value}")
    done = bytes(changed)
    return gzip.compress(done, 1, mtime=0) if is_packed else done, " and ".join(words)


def break_gzip(data: bytes, random: Random) -> tuple[bytes, str]:
    """A gzip file whose content is cut, or that has other members or noise behind it."""
    inside = _unpack(data)
    if inside == data:
        return lie_in_a_nifti(data, random)
    at = random.randrange(1, len(inside))
    return random.choice(
        (
            (gzip.compress(inside[:at], mtime=0), f"packed when cut off at {at}"),
            (data + gzip.compress(inside, mtime=0), "twice"),
            (data + bytes(random.randrange(1, 600)), "zeros behind it"),
            (data + random.randbytes(20), "noise behind it"),
            (gzip.compress(inside[:at], mtime=0) + gzip.compress(inside[at:], mtime=0), f"in two members, from {at}"),
            (gzip.compress(data, mtime=0), "packed twice"),
            (inside, "not packed"),
        )
    )


def _inflate(packed: bytes) -> bytes:
    """Rows of a PNG, none where they were broken already."""
    try:
        return zlib.decompressobj().decompress(packed, 10**6) or b"\0"
    except zlib.error:
        return b"\0"


def _unpack(data: bytes) -> bytes:
    """What was compressed; the bytes themselves where they were not, or were broken already."""
    try:
        return gzip.decompress(data)
    except (OSError, EOFError, zlib.error):
        return data


PNGS: tuple[Mutation, ...] = (lie_in_a_chunk,)
NIFTIS: tuple[Mutation, ...] = (lie_in_a_nifti, lie_in_a_nifti, break_gzip)


def list_bombs() -> list[Seed]:
    """Small files that stand for gigabytes."""
    rows, bombs = deflate_zeros(2**32), []
    for width, height in ((65_536, 65_535), (9_000, 9_000), (2**31 - 1, 2**31 - 1), (100, 100)):
        head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
        data = join_chunks([(b"IHDR", head), (b"IDAT", rows), (b"IEND", b"")])
        bombs.append(Seed("PNG", f"bomb: {width} x {height}", ".png", {"": data}))
    image = nibabel.Nifti1Image(np.arange(1440, dtype=np.uint8).reshape(36, 40), np.eye(4)).to_bytes()
    behind = gzip.compress(bytes(2**24), mtime=0) * 256  # gzip may have as many members as it will
    for width, height in ((32_767, 32_767), (36, 40)):
        changed = bytearray(image)
        struct.pack_into("<hh", changed, 42, width, height)
        data = gzip.compress(bytes(changed), mtime=0) + behind
        bombs.append(Seed("NIfTI", f"bomb: {width} x {height} in 4 GB of gzip", ".nii.gz", {"": data}))
    lying = bytearray(image)
    struct.pack_into("<hh", lying, 42, 32_767, 32_767)
    return [*bombs, Seed("NIfTI", "bomb: 32767 x 32767 in 2 kB", ".nii", {"": bytes(lying)})]
