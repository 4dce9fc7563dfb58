"""Packages are recognised and read with limits; nothing in them leads out."""

import stat
import zipfile
from pathlib import Path

import pytest

from livecell_monai.bundle.foreign import files
from livecell_monai.bundle.foreign.files import PackageFiles, is_foreign, read_file
from livecell_monai.errors import BundleError

CONTENT = {"rdf.yaml": b"a: 1", "weights.onnx": b"w" * 50}


def write_zip(path, content, link=None):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, data in content.items():
            file.writestr(name, data)
        if link:
            member = zipfile.ZipInfo(link)
            member.external_attr = (stat.S_IFLNK | 0o777) << 16
            file.writestr(member, "/etc/passwd")
    return path


def write_folder(path, content):
    for name, data in content.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(data)
    return path


@pytest.fixture(params=["zip", "folder"])
def write(request, tmp_path):
    """Writes a package of these files in either form."""
    return lambda content: (
        write_zip(tmp_path / "p.zip", content) if request.param == "zip" else write_folder(tmp_path / "p", content)
    )


class TestIsForeign:
    @pytest.mark.parametrize("name", ["rdf.yaml", "bioimageio.yaml", "model.yaml", "my.rdf.yaml", "my.bioimageio.yaml"])
    def test_a_package_by_its_description(self, write, name):
        assert is_foreign(write({name: b"a: 1"}))

    def test_not_a_bundle_or_other_files(self, write, tmp_path):
        assert not is_foreign(write({"rdf.yaml": b"a: 1", "configs/metadata.json": b"{}"}))
        (tmp_path / "others").mkdir()
        assert not is_foreign(write_folder(tmp_path / "others", {"a.yaml": b"", "deep/deep/rdf.yaml": b""}))
        assert not is_foreign(write_zip(tmp_path / "b.zip", {"a.roi": b"", "deep/deep/rdf.yaml": b""}))
        assert not is_foreign(tmp_path / "nothing")
        (tmp_path / "text.zip").write_bytes(b"no zip")
        assert not is_foreign(tmp_path / "text.zip")

    def test_an_onnx_file_by_its_name(self, tmp_path):
        (tmp_path / "a.ONNX").write_bytes(b"")
        assert is_foreign(tmp_path / "a.ONNX")

    def test_a_bundle_in_a_folder_of_a_zip(self, tmp_path):
        assert not is_foreign(write_zip(tmp_path / "b.zip", {"m/rdf.yaml": b"", "m/configs/metadata.json": b""}))


class TestPackageFiles:
    def test_reads_its_files(self, write):
        found = PackageFiles(write(CONTENT))
        assert (found.read_description(), found.read("weights.onnx")) == ("a: 1", b"w" * 50)
        assert found.find("weights.onnx").is_file()

    def test_of_a_zip_with_one_folder(self, tmp_path):
        found = PackageFiles(write_zip(tmp_path / "p.zip", {f"model/{name}": data for name, data in CONTENT.items()}))
        assert (found.read_description(), found.read("weights.onnx")) == ("a: 1", b"w" * 50)

    def test_prefers_the_first_name_of_a_description(self, write):
        assert PackageFiles(write({"model.yaml": b"b", "rdf.yaml": b"a"})).read_description() == "a"

    @pytest.mark.parametrize("name", ["../weights.onnx", "/etc/passwd", "a/../../b", "C:\\b", "..\\b", ""])
    def test_names_that_lead_out(self, write, name):
        package = PackageFiles(write(CONTENT))
        with pytest.raises(BundleError, match="the names in a package must not lead out of it, got "):
            package.read(name)

    @pytest.mark.parametrize("name", ["../evil", "/evil", "a/../../evil", "..\\evil"])
    def test_a_zip_of_which_any_name_leads_out(self, tmp_path, name):
        with pytest.raises(BundleError, match="must not lead out of it"):
            PackageFiles(write_zip(tmp_path / "p.zip", {**CONTENT, name: b""}))

    def test_links(self, tmp_path):
        with pytest.raises(BundleError, match=r"must not contain links, got link.onnx"):
            PackageFiles(write_zip(tmp_path / "p.zip", CONTENT, link="link.onnx"))
        folder = write_folder(tmp_path / "p", CONTENT)
        (folder / "link.onnx").symlink_to("/etc/passwd")
        (folder / "beyond").symlink_to("/etc")
        for name in ("link.onnx", "beyond/passwd"):
            with pytest.raises(BundleError, match="must not contain links"):
                PackageFiles(folder).read(name)

    def test_files_elsewhere_and_missing_ones(self, write):
        package = PackageFiles(write(CONTENT))
        with pytest.raises(BundleError, match=r"https://a/w.onnx is elsewhere; download the whole package"):
            package.read("https://a/w.onnx")
        with pytest.raises(BundleError, match=r"the description names w.onnx, the package has none"):
            package.read("w.onnx")

    def test_limits(self, write, tmp_path, monkeypatch):
        package = PackageFiles(write(CONTENT))
        with pytest.raises(BundleError, match=r"weights.onnx: must have at most 49 bytes, got 50"):
            package.read("weights.onnx", 49)
        bomb = PackageFiles(write_zip(tmp_path / "bomb.zip", {**CONTENT, "zeros": bytes(2**22)}))
        monkeypatch.setattr(files, "MAX_EXPANSION", 100)
        with pytest.raises(BundleError, match="zeros expands to more than 100 times its size"):
            bomb.read("zeros")
        monkeypatch.setattr(files, "MAX_MEMBERS", 2)
        with pytest.raises(BundleError, match="must have at most 2 files, got 3"):
            PackageFiles(tmp_path / "bomb.zip")

    def test_damaged_zips(self, tmp_path):
        path = write_zip(tmp_path / "p.zip", {**CONTENT, "weights.onnx": bytes(range(256)) * 9})
        content = bytearray(path.read_bytes())
        place = content.index(b"weights.onnx") + 30
        content[place : place + 8] = b"\0" * 8
        path.write_bytes(content)
        with pytest.raises(BundleError, match="must be a zip that can be read, got: "):
            PackageFiles(path).read("weights.onnx")
        path.write_bytes(content[:60])
        with pytest.raises(BundleError, match="must be a zip that can be read, got: "):
            PackageFiles(path)

    def test_text_that_is_none(self, write):
        with pytest.raises(BundleError, match=r"rdf.yaml must be text in UTF-8"):
            PackageFiles(write({"rdf.yaml": b"\xff\xfe"})).read_description()

    def test_no_description(self, write):
        with pytest.raises(BundleError, match=r"must have rdf.yaml, found none"):
            PackageFiles(write({"a.yaml": b""}))


def test_a_file_that_cannot_be_read():
    with pytest.raises(BundleError, match="must be readable, got: "):
        read_file(Path("nothing.onnx"))
