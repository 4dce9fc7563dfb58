"""When the learning rate falls."""

import pytest

from livecell_monai.errors import SettingError
from livecell_monai.plan import choose_lr_step


@pytest.mark.parametrize("epochs", range(5, 201))
def test_auto_falls_twice(epochs):
    step = choose_lr_step("auto", epochs)
    assert len([epoch for epoch in range(1, epochs) if epoch % step == 0]) == 2


@pytest.mark.parametrize(("epochs", "step"), [(1, 1), (2, 1), (3, 1), (4, 2), (20, 8), (100, 40)])
def test_auto(epochs, step):
    assert choose_lr_step("auto", epochs) == step


@pytest.mark.parametrize("step", [1, 5, 9])
def test_a_number_is_kept(step):
    assert choose_lr_step(step, 10) == step


@pytest.mark.parametrize("step", [10, 11, 1000])
def test_a_step_that_never_fires(step):
    with pytest.raises(SettingError, match=rf"lr_step must be below epochs \(10\), .*never falls.*, got {step}; lower it"):
        choose_lr_step(step, 10)


@pytest.mark.parametrize("step", [0, -1, 2.5, "often", None, True, [2]])
def test_refused_steps(step):
    with pytest.raises(SettingError, match="setting lr_step must be a whole number of at least 1 or auto, got"):
        choose_lr_step(step, 10)


@pytest.mark.parametrize("epochs", [0, -3, 1.5, "auto"])
def test_refused_epochs(epochs):
    with pytest.raises(SettingError, match=f"setting epochs must be a whole number of at least 1, got {epochs!r}"):
        choose_lr_step("auto", epochs)
