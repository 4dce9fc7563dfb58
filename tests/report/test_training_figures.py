import numpy as np
from PIL import Image

from livecell_monai.report.training import write_figures


def test_a_training_leaves_curves_and_its_validation_images(tmp_path):
    truth = np.zeros((80, 96), bool)
    truth[20:50, 30:70] = True
    image = np.where(truth, 0.3, 0.6) + np.random.default_rng(0).normal(0, 0.02, truth.shape)
    history = [{"epoch": i, "train_loss": 1 / i, "val_loss": 1.1 / i, "val_iou": 0.1 * i} for i in (1, 2, 3)]
    write_figures(tmp_path, history, [("cell <b>", image, np.roll(truth, 3, 1), truth)])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["curves.png", "validation.png"]
    with Image.open(tmp_path / "validation.png") as picture:
        assert picture.width > 2 * 96  # image and overlay side by side
