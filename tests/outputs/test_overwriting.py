"""Checks that inputs and earlier results are not overwritten."""

import os
import re

import pytest

from livecell_monai.errors import SettingError
from livecell_monai.outputs.overwriting import check_distinct, check_empty_folder, check_outputs
from livecell_monai.sample import FRAMES

NAMES = ["{name}.tif", "{name}_probability.tif", "summary.csv"]


def items(*paths):
    return [{"name": path.name.split(".")[0], "image": str(path)} for path in paths]


class TestCheckEmptyFolder:
    def test_accepts_a_new_or_an_empty_folder(self, tmp_path):
        assert check_empty_folder(str(tmp_path)) == tmp_path
        assert check_empty_folder(tmp_path / "new" / "one") == tmp_path / "new" / "one"
        assert os.listdir(tmp_path) == []

    @pytest.mark.parametrize("name", ["file", ".hidden"])
    def test_rejects_a_folder_that_is_not_empty(self, tmp_path, name):
        (tmp_path / name).touch()
        with pytest.raises(SettingError, match="must be empty or new; name another folder or empty this one"):
            check_empty_folder(tmp_path)

    @pytest.mark.parametrize("inside", ["", "below/it"])
    def test_rejects_a_file(self, tmp_path, inside):
        (tmp_path / "file").touch()
        with pytest.raises(SettingError, match=r"the output must be a folder, .*/file is a file; name another"):
            check_empty_folder(tmp_path / "file" / inside)


class TestNameLengths:
    @pytest.mark.parametrize(("stem", "names", "more"), [("x", NAMES, 16), ("é", NAMES, 16), ("x", ["{name}.tif"], 5)])
    def test_a_name_that_is_too_long_for_a_result(self, tmp_path, stem, names, more):
        size = len(stem.encode())
        most = (255 - more) // size
        check_outputs(tmp_path / "out", names, items(tmp_path / f"{stem * most}.tif"), overwrite=False)
        image = tmp_path / f"{stem * (most + 1)}.tif"
        with pytest.raises(SettingError, match=rf"at most 255 bytes in .*/out, the longest has {size * (most + 1) + more};"):
            check_outputs(tmp_path / "out", names, items(image), overwrite=True)
        assert os.listdir(tmp_path) == []

    def test_is_not_checked_without_files_of_an_image(self, tmp_path):
        check_outputs(tmp_path, ["scores.csv"], items(tmp_path / ("x" * 255)), overwrite=False)

    def test_files_of_a_movie(self, tmp_path):
        (image,) = items(tmp_path / ("x" * 245))
        with pytest.raises(SettingError, match=r"shorten the name by 1$"):
            check_outputs(tmp_path, NAMES[:1], [{**image, FRAMES: 3}], False, ["{name}_frames.csv"])
        check_outputs(tmp_path, NAMES[:1], [image], False, ["{name}_frames.csv"])


class TestCheckOutputs:
    def test_new_folder_is_accepted_and_not_created(self, tmp_path):
        check_outputs(tmp_path / "out", NAMES, items(tmp_path / "a.tif", tmp_path / "b.tif"), overwrite=False)
        assert os.listdir(tmp_path) == []

    def test_frames_of_one_movie_share_its_name(self, tmp_path):
        frames = [{"name": "a", "image": f"{tmp_path}/in/a.ome.tif::t={time},c=0,z=0"} for time in range(3)]
        check_outputs(tmp_path / "out", NAMES, frames, overwrite=False)

    def test_input_movie_is_never_overwritten(self, tmp_path):
        (tmp_path / "a.tif").touch()
        frames = [{"name": "a", "image": f"{tmp_path}/a.tif::t={time},c=0,z=0"} for time in range(3)]
        with pytest.raises(SettingError, match="a result would overwrite an input"):
            check_outputs(tmp_path, NAMES, frames, overwrite=True)

    def test_other_files_in_the_folder_are_ignored(self, tmp_path):
        (tmp_path / "c.tif").touch()
        check_outputs(tmp_path, NAMES, items(tmp_path / "in" / "a.tif"), overwrite=False)

    @pytest.mark.parametrize("there", ["b.tif", "b_probability.tif", "summary.csv"])
    def test_existing_result_is_rejected_without_overwrite(self, tmp_path, there):
        (tmp_path / there).touch()
        images = items(tmp_path / "in" / "a.png", tmp_path / "in" / "b.png")
        with pytest.raises(SettingError, match=f"{re.escape(there)}: already exists; name another"):
            check_outputs(tmp_path, NAMES, images, overwrite=False)
        check_outputs(tmp_path, NAMES, images, overwrite=True)

    @pytest.mark.parametrize("overwrite", [False, True])
    def test_a_folder_in_place_of_the_table_is_rejected(self, tmp_path, overwrite):
        (tmp_path / "summary.csv").mkdir()
        with pytest.raises(SettingError, match=r"summary\.csv: must be a file, a folder of this name exists; remove it"):
            check_outputs(tmp_path, NAMES, items(tmp_path / "in" / "a.png"), overwrite)

    @pytest.mark.parametrize("overwrite", [False, True])
    @pytest.mark.parametrize("way", [".", "../in", "link"], ids=["same", "dotted", "linked"])
    def test_input_is_never_overwritten(self, tmp_path, overwrite, way):
        folder = tmp_path / "in"
        folder.mkdir()
        (folder / "a.tif").touch()
        (folder / "link").symlink_to(folder)
        with pytest.raises(SettingError, match=r"a\.tif: a result would overwrite an input; name another output"):
            check_outputs(folder / way, NAMES, items(folder / "a.tif"), overwrite)

    def test_other_suffix_beside_the_input_is_accepted(self, tmp_path):
        (tmp_path / "a.png").touch()
        check_outputs(tmp_path, NAMES, items(tmp_path / "a.png"), overwrite=False)

    def test_two_images_with_the_same_result_file_are_rejected(self, tmp_path):
        images = items(tmp_path / "in" / "a.png", tmp_path / "in" / "a_probability.png")
        with pytest.raises(SettingError, match=r"a_probability\.tif: a_probability and a have the same result file; rename"):
            check_outputs(tmp_path / "out", NAMES, images, overwrite=True)

    def test_files_of_images_and_movies_and_of_the_run(self, tmp_path):
        check_distinct(tmp_path, [("a", ["{name}.tif", "cells.csv"]), ("b", ["{name}.tif", "cells.csv"])])
        check_distinct(tmp_path, [("a", ["{name}.ome.tif"])] * 3)
        kinds = [("a", ["{name}_cells.ome.tif"]), ("a_cells", ["{name}.ome.tif"])]
        for results in (kinds, kinds[::-1]):
            with pytest.raises(
                SettingError, match=r"a_cells\.ome\.tif: a\w* and a\w* have the same result file; rename one"
            ):
                check_distinct(tmp_path, results)

    @pytest.mark.parametrize("overwrite", [False, True])
    @pytest.mark.parametrize("inside", ["", "below/it"])
    def test_rejects_a_file_as_output_folder(self, tmp_path, overwrite, inside):
        (tmp_path / "file").touch()
        with pytest.raises(SettingError, match=r"the output must be a folder, .*/file is a file; name another"):
            check_outputs(tmp_path / "file" / inside, NAMES, items(tmp_path / "a.tif"), overwrite)

    @pytest.mark.parametrize("there", ["a.ome.tif", "a_frames.csv"])
    def test_frames_of_a_movie_share_its_files(self, tmp_path, there):
        frames = [{"name": "a", "image": f"{tmp_path}/in/a.tif::t={index},c=0,z=0", "frames": 2} for index in range(2)]
        given = [*frames, *items(tmp_path / "in" / "b.tif")]
        movie_names = ["{name}.ome.tif", "{name}_frames.csv", "summary.csv"]
        (tmp_path / "a.tif").touch()
        check_outputs(tmp_path, NAMES, given, False, movie_names)
        (tmp_path / there).touch()
        with pytest.raises(SettingError, match=f"{re.escape(there)}: already exists"):
            check_outputs(tmp_path, NAMES, given, False, movie_names)
