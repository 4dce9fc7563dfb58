"""Files of weights taken apart before they are unpacked."""

import io
import pickle
import struct
import zipfile

import numpy as np
import pytest
import torch

from livecell_monai.bundle.archive import check_archive, check_header
from livecell_monai.network import UNet


def saved(content):
    buffer = io.BytesIO()
    torch.save(content, buffer)
    return buffer.getvalue()


def zipped(members, compression=zipfile.ZIP_STORED):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return buffer.getvalue()


LIST = pickle.dumps({}, protocol=2)


@pytest.mark.parametrize(
    "content",
    [
        UNet([4, 8]).state_dict(),
        {name: value.half() for name, value in UNet([4, 8]).state_dict().items()},
        {"bf16": torch.zeros(3, dtype=torch.bfloat16), "count": torch.tensor(3), "strided": torch.zeros(4, 4).T},
        {"parameter": torch.nn.Parameter(torch.zeros(2))},
        {},
    ],
    ids=["network", "half", "kinds", "parameter", "empty"],
)
def test_what_torch_saves_is_let_through(content):
    check_archive(saved(content))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "no archive as torch.save writes it"),
        (LIST, "no archive"),
        (zipped({}), "without one list of its tensors"),
        (zipped({"a/data.pkl": LIST, "b/data.pkl": LIST}), "without one list of its tensors"),
        (zipped({"a/data.pkl": LIST, "/etc/x": b""}), "is_main_process out of the archive"),
        (zipped({"a/data.pkl": LIST, "a/../../x": b""}), "is_main_process out of the archive"),
        (zipped({"a/data.pkl": LIST, "a\\x": b""}), "is_main_process out of the archive"),
        (zipped({"a/data.pkl": LIST, "c:x": b""}), "is_main_process out of the archive"),
        (zipped({"a/data.pkl": LIST}, zipfile.ZIP_DEFLATED), "compressed or encrypted"),
        (zipped({"a/data.pkl": LIST[:-1]}), "pickle exhausted"),
        (saved({"a": np.float64(3)}), "a call of numpy"),
        (saved({"a": print}), "a call of __builtin__.print"),
        (saved({"a": UNet}), "a call of livecell_monai.network.unet.UNet"),
        (zipped({"a/data.pkl": pickle.dumps(print, protocol=4)}), "a call that is not of tensors"),
        (zipped({"a/data.pkl": b"(ios\nsystem\n."}), "a call that is not of tensors"),
    ],
    ids=str.split("empty list none two absolute up backslash drive deflated cut numpy print class protocol-4 protocol-0"),
)
def test_what_it_does_not_save(content, words):
    with pytest.raises(ValueError, match=words):
        check_archive(content)


def header(text, size=0):
    return struct.pack("<Q", len(text)) + text + bytes(size)


def test_headers():
    check_header(header(b"{}"))
    for content in (b"", b"1234567", struct.pack("<Q", 3) + b"{}", header(b"[]"), header(b"x"), header(b"[" * 10**5)):
        with pytest.raises(ValueError, match=r"a header|Expecting|codec"):
            check_header(content)
