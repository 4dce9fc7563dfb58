import numpy as np
import pytest

from livecell_monai.data.stream import camera
from livecell_monai.data.stream.camera import draw_light, expose, resample
from livecell_monai.data.stream.ranges import Camera

SHAPE = (128, 160)


def draw_ramp() -> np.ndarray:
    return np.tile(np.linspace(0.5, 1.5, SHAPE[1], dtype=np.float32), (SHAPE[0], 1))


def test_light_is_about_one_and_uneven() -> None:
    lights = [draw_light(SHAPE, np.random.default_rng(seed)) for seed in range(8)]
    assert all(light.shape == SHAPE and light.min() > 0 for light in lights)
    assert 0.8 < np.median([light.mean() for light in lights]) < 1.2
    assert np.median([np.ptp(light) for light in lights]) > 0.03


@pytest.mark.parametrize(("bits", "dtype", "top"), [(8, np.uint8, 255), (12, np.uint16, 4095), (16, np.uint16, 65535)])
def test_grey_values_fit_the_camera(bits: int, dtype: type, top: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(camera, "CAMERA", Camera(bits=(bits,), exposure=(0.9, 0.95), hot=0.0))
    for seed in range(6):
        grey = expose(draw_ramp(), np.random.default_rng(seed))
        assert grey.dtype == dtype
        assert 0.7 * top < grey.max() <= top


def test_some_images_are_inverted_and_some_have_hot_pixels(monkeypatch: pytest.MonkeyPatch) -> None:
    plain = Camera(inverted=0.0, hot=0.0, jpeg=0.0, noise=(0.002, 0.003), exposure=(0.5, 0.6), bits=(16,))
    for change, low, high in (({}, 0, 0), ({"inverted": 1.0}, 6, 6)):
        monkeypatch.setattr(camera, "CAMERA", Camera(**{**plain.__dict__, **change}))
        greys = [expose(draw_ramp(), np.random.default_rng(seed)).astype(float) for seed in range(6)]
        falling = sum(grey[:, :20].mean() > grey[:, -20:].mean() for grey in greys)
        assert low <= falling <= high
        assert max(grey.max() for grey in greys) < 65535
    monkeypatch.setattr(camera, "CAMERA", Camera(**{**plain.__dict__, "hot": 1.0, "hot_pixels": (1e-3, 2e-3)}))
    assert expose(draw_ramp(), np.random.default_rng(0)).max() == 65535


def test_jpeg_leaves_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    images = []
    for jpeg in (0.0, 1.0):
        monkeypatch.setattr(camera, "CAMERA", Camera(bits=(8,), jpeg=jpeg, jpeg_quality=(10.0, 11.0), hot=0.0))
        images.append(expose(draw_ramp(), np.random.default_rng(3)).astype(float))
    assert images[1].shape == SHAPE
    assert np.abs(images[0] - images[1]).max() > 1


def test_coarser_pixels_lose_detail(monkeypatch: pytest.MonkeyPatch) -> None:
    sharp = np.random.default_rng(0).standard_normal(SHAPE, dtype=np.float32)
    monkeypatch.setattr(camera, "CAMERA", Camera(resized=1.0, resize=(0.5, 0.6)))
    assert resample(sharp, np.random.default_rng(0)).std() < 0.8 * sharp.std()
    monkeypatch.setattr(camera, "CAMERA", Camera(resized=0.0))
    assert resample(sharp, np.random.default_rng(0)) is sharp
