"""A registered bundle behind `mlflow models serve`, over HTTP and in this process."""

import base64
import io
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tifffile
from PIL import Image

from livecell_monai.errors import BundleError, SettingError
from livecell_monai.experiments.registry import register
from livecell_monai.experiments.serving import RejectedRequest, _load_pyfunc
from livecell_monai.tasks import predict
from tests.support.small_training import QUIET

MAX_PIXELS = 200_000


@dataclass(frozen=True)
class Server:
    """A running server, an image on disk and the mask that `predict` writes for it."""

    url: str
    image: Path
    mask: Path

    def post(self, body):
        """Status and body of the answer to a JSON value or a text."""
        data = (body if isinstance(body, str) else json.dumps(body)).encode()
        request = urllib.request.Request(f"{self.url}/invocations", data, {"Content-Type": "application/json"})
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return answer.status, json.loads(answer.read())
        except urllib.error.HTTPError as error:
            return error.code, json.loads(error.read())

    def masks(self, *images):
        """The masks of a post that succeeds."""
        status, body = self.post({"dataframe_records": [{"image": image} for image in images]})
        assert status == 200, body
        return [row["mask"] for row in body["predictions"]]

    def refused(self, body, *words):
        """A 400 of one line with these words; the server still answers afterwards."""
        status, answer = self.post(body)
        assert status == 400, answer
        line = answer["message"]
        assert "\n" not in line
        assert len(line) < 400
        assert not any(word in json.dumps(answer) for word in ("Traceback", "stack_trace", "/tmp"))
        for word in words:
            assert word in line
        (again,) = self.masks(encode(self.image.read_bytes()))
        assert base64.b64decode(again) == self.mask.read_bytes()


@pytest.fixture(scope="module")
def server(separating, empty_store, tmp_path_factory):
    root = tmp_path_factory.mktemp("serving")
    data, bundle = separating
    image = data / "test" / "images" / "test_00.tif"
    predict(bundle, [image], root / "masks", QUIET)
    shutil.copyfile(empty_store, root / "mlflow.db")
    store = f"sqlite:///{root / 'mlflow.db'}"
    assert register(bundle, "cells", store).version == 1
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    told = {"MLFLOW_TRACKING_URI": store, "MLFLOW_PYFUNC_INFERENCE_CONFIG": json.dumps({"most_pixels": MAX_PIXELS})}
    place = ["--env-manager", "local", "--host", "127.0.0.1", "--port", str(port)]
    with open(root / "log", "w") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "mlflow", "models", "serve", "-m", "models:/cells/1", *place],
            cwd=root,
            env={**os.environ, **told, "PATH": path},
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        await_ping(f"http://127.0.0.1:{port}", process, root / "log")
        yield Server(f"http://127.0.0.1:{port}", image, root / "masks" / image.name)
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(30)


def await_ping(url, process, log):
    until = time.monotonic() + 120
    while time.monotonic() < until and process.poll() is None:
        try:
            with urllib.request.urlopen(f"{url}/ping", timeout=5):
                return
        except OSError:
            time.sleep(0.2)
    pytest.fail(f"the server does not come up:\n{log.read_text()[-3000:]}")


def encode(data):
    return base64.b64encode(data).decode()


def tiff_of(pixels, **options):
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, pixels, **options)
    return buffer.getvalue()


def png_of(pixels):
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def with_value(value):
    pixels = np.arange(40 * 36, dtype=np.float32).reshape(40, 36)
    pixels[3, 7] = value
    return pixels


def one(image):
    return {"dataframe_records": [{"image": image}]}


@pytest.mark.slow  # starts a real server; TestServedBundle asks in this process
class TestServer:
    def test_a_tiff_gives_the_file_that_predict_writes(self, server):
        (mask,) = server.masks(encode(server.image.read_bytes()))
        assert base64.b64decode(mask) == server.mask.read_bytes()
        truth = tifffile.imread(server.mask)
        assert set(np.unique(truth)) == {0, 255}

    def test_a_png_of_the_same_pixels_gives_the_same_mask(self, server):
        (mask,) = server.masks(encode(png_of(tifffile.imread(server.image))))
        np.testing.assert_array_equal(tifffile.imread(io.BytesIO(base64.b64decode(mask))), tifffile.imread(server.mask))

    def test_an_array_gives_an_array(self, server):
        (mask,) = server.masks(tifffile.imread(server.image).tolist())
        np.testing.assert_array_equal(mask, tifffile.imread(server.mask))

    def test_several_rows_of_each_kind_are_answered_in_order(self, server):
        pixels = tifffile.imread(server.image)
        turned, as_file, flipped = server.masks(pixels.T.tolist(), encode(tiff_of(pixels)), encode(png_of(pixels[::-1])))
        assert np.shape(turned) == pixels.T.shape
        assert base64.b64decode(as_file) == server.mask.read_bytes()
        assert tifffile.imread(io.BytesIO(base64.b64decode(flipped))).shape == pixels.shape

    @pytest.mark.parametrize(
        "body",
        [
            lambda image: {"dataframe_split": {"columns": ["image"], "data": [[image]]}},
            lambda image: {"inputs": [{"image": image}]},
        ],
        ids=["split", "inputs"],
    )
    def test_other_formats_of_mlflow(self, server, body):
        status, answer = server.post(body(encode(server.image.read_bytes())))
        assert status == 200
        assert base64.b64decode(answer["predictions"][0]["mask"]) == server.mask.read_bytes()

    def test_the_cells_that_predict_writes(self, server):
        image = server.image.read_bytes()
        status, answer = server.post({**one(encode(image)), "params": {"output": "cells"}})
        assert status == 200, answer
        cells = server.mask.with_name(f"{server.mask.stem}_cells.tif")
        assert base64.b64decode(answer["predictions"][0]["cells"]) == cells.read_bytes()
        status, answer = server.post({**one(tifffile.imread(server.image).tolist()), "params": {"output": "cells"}})
        assert status == 200
        np.testing.assert_array_equal(answer["predictions"][0]["cells"], tifffile.imread(cells))

    @pytest.mark.parametrize(
        ("output", "words"), [("cellz", "one of mask, probability, cells, got 'cellz'"), (None, "output")]
    )
    def test_an_unknown_output_is_rejected(self, server, output, words):
        server.refused({**one(encode(server.image.read_bytes())), "params": {"output": output}}, words)

    def test_an_output_that_is_no_text_is_rejected_by_mlflow(self, server):
        """Before it calls the model, and in more than one line."""
        status, answer = server.post({**one(encode(server.image.read_bytes())), "params": {"output": 7}})
        assert status == 400
        assert "for 'output'" in answer["message"]
        assert "for value `7`" in answer["message"]

    def test_concurrent_requests(self, server):
        image, found = encode(server.image.read_bytes()), []
        threads = [threading.Thread(target=lambda: found.extend(server.masks(image))) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert [base64.b64decode(mask) for mask in found] == [server.mask.read_bytes()] * 6

    @pytest.mark.parametrize(
        ("image", "words"),
        [
            (encode(tiff_of(with_value(0))[:-900]), "image_1.tif: cannot be read as TIFF"),
            (encode(png_of(with_value(0).astype(np.uint8))[:-30]), "image_1.png: cannot be read as PNG"),
            (
                encode(tiff_of(np.eye(3, dtype=np.uint8)[np.zeros((40, 36), int)], photometric="rgb")),
                "must be one grey plane, this is RGB",
            ),
            (encode(png_of(np.eye(3, dtype=np.uint8)[np.zeros((40, 36), int)])), "must be one grey plane, this is RGB"),
            (encode(tiff_of(np.zeros((5, 40, 36), np.uint8), photometric="minisblack")), "must be one grey plane, got"),
            (encode(tiff_of(with_value(np.nan))), "finite in every pixel, got 1 NaN or infinite"),
            (encode(tiff_of(with_value(np.inf))), "finite in every pixel, got 1 NaN or infinite"),
            (with_value(np.nan).tolist(), "finite in every pixel, got 1 NaN or infinite, the first at row 3, column 7"),
            (encode(tiff_of(with_value(0).astype(np.complex64))), "must be one of uint8"),
            (encode(tiff_of(np.full((40, 36), 7, np.uint8))), "must not be constant, got 7"),
            ([[7]], "must not be constant"),
            (encode(b"an essay"), "must be a TIFF, PNG or JPEG, got 8 bytes"),
            ("C:/cell.tif", "text must be a file in base64"),
            ("", "got nothing"),
            ([[1, 2], [3]], "rows that differ in length"),
            ([[1, "a"]], "got 2 axes of text"),
            ([[[1, 2]]], "got 3 axes"),
            ([1, 2], "got 1 axes"),
            ([], "got 1 axes"),
            (None, "image_1: an image must be a file in base64, or numbers"),
            (3, "image_1: an image must be a file in base64, or numbers"),
            (encode(tiff_of(np.zeros((500, 500), np.uint8), compression="zlib")), "at most 200000 pixels, got 250000"),
        ],
    )
    def test_an_invalid_image_is_rejected(self, server, image, words):
        server.refused(one(image), words)

    def test_the_row_is_named(self, server):
        body = {"dataframe_records": [{"image": encode(server.image.read_bytes())}, {"image": "###"}]}
        server.refused(body, "image_2: text must be a file in base64")

    @pytest.mark.parametrize(
        ("body", "words"),
        [
            ({"dataframe_records": [{"picture": "abc"}]}, 'got columns: none; post {"dataframe_records": [{"image": ...}]}'),
            ({"dataframe_records": []}, "each row must have the column image"),
            ({"dataframe_records": "abc"}, "must be a list of records"),
            ({"image": "abc"}, "exactly one of the input fields"),
        ],
    )
    def test_a_body_without_images_is_rejected(self, server, body, words):
        status, answer = server.post(body)
        assert status == 400
        assert words in answer["message"]


class TestServedBundle:
    def test_a_file_and_an_array_get_the_mask_that_predict_writes(self, trained, tmp_path):
        image = trained[0] / "test" / "images" / "test_00.tif"
        predict(trained[1], [image], tmp_path / "masks", QUIET)
        rows = pd.DataFrame({"image": [encode(image.read_bytes()), tifffile.imread(image).tolist()]})
        as_file, as_array = (answer["mask"] for answer in _load_pyfunc(str(trained[1])).predict(rows))
        assert base64.b64decode(as_file) == (tmp_path / "masks" / image.name).read_bytes()
        np.testing.assert_array_equal(as_array, tifffile.imread(tmp_path / "masks" / image.name))

    @pytest.mark.parametrize(("output", "ending"), [("mask", ""), ("probability", "_probability"), ("cells", "_cells")])
    def test_each_output_is_the_file_that_predict_writes(self, separating, tmp_path, output, ending):
        image = separating[0] / "test" / "images" / "test_00.tif"
        predict(separating[1], [image], tmp_path / "out", {**QUIET, "outputs": ["mask", "probability"]})
        path = tmp_path / "out" / f"test_00{ending}.tif"
        rows = pd.DataFrame({"image": [encode(image.read_bytes()), tifffile.imread(image).tolist()]})
        as_file, as_array = _load_pyfunc(str(separating[1])).predict(rows, {"output": output})
        assert base64.b64decode(as_file[output]) == path.read_bytes()
        assert as_array[output].dtype == tifffile.imread(path).dtype
        np.testing.assert_array_equal(as_array[output], tifffile.imread(path))

    @pytest.mark.parametrize("output", ["overlay", "", 7, None])
    def test_another_output_is_rejected(self, trained, output):
        with pytest.raises(
            RejectedRequest, match=r"^params: output must be one of mask, probability, cells, got \S+; correct it$"
        ):
            _load_pyfunc(str(trained[1])).predict(pd.DataFrame({"image": [[[7, 9], [6, 9]]]}), {"output": output})

    @pytest.mark.parametrize("image", [encode(b"no image"), [[1, 2], [3]], 7, None], ids=repr)
    def test_the_row_of_an_invalid_image_is_named_in_one_line(self, trained, image):
        rows = pd.DataFrame({"image": [[[7, 9], [6, 9]], image]})
        with pytest.raises(RejectedRequest, match=r"^image_2[^\n]*$"):
            _load_pyfunc(str(trained[1])).predict(rows)

    def test_an_invalid_limit_is_rejected(self, trained):
        for wrong in (0, -1, True, 1.5, "many"):
            with pytest.raises(SettingError, match="most_pixels must be a whole number of 1 or more"):
                _load_pyfunc(str(trained[1]), {"most_pixels": wrong})

    def test_an_unknown_key_is_rejected(self, trained):
        with pytest.raises(SettingError, match=r"no other keys than most_pixels, got \['pixels'\]"):
            _load_pyfunc(str(trained[1]), {"pixels": 5})

    def test_a_folder_that_is_no_bundle(self, tmp_path):
        with pytest.raises(BundleError):
            _load_pyfunc(str(tmp_path))
