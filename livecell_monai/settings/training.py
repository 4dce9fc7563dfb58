"""The settings of `train.yaml` and `evaluate.yaml`: how the model is trained and scored."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from livecell_monai.plugins import load_plugins
from livecell_monai.settings.fields import PAIR, Fraction, Group, Positive, Rule, Shape, Text, require, setting

LOSSES = ("bce", "dice_bce", "focal")
NotDecreasing = AfterValidator(require(lambda values: values == sorted(values)))
AtLeast1 = Annotated[float, Field(ge=1)]
FactorRange = Annotated[list[Positive], PAIR, NotDecreasing, Rule("two numbers above 0, the lower one first")]
Loss = Annotated[
    str,
    AfterValidator(require(lambda value: value in LOSSES or value in load_plugins("losses"))),
    Rule("bce, dice_bce, focal or one of a plugin"),
]
PositiveInt = Annotated[int, Field(ge=1)]
Schedule = Annotated[
    list[Annotated[float, Field(ge=0, lt=1)]],
    Field(min_length=1, max_length=100),
    NotDecreasing,
    Rule("a list of increasing numbers, each at least 0 and below 1"),
]


class Run(Group):
    """Run."""

    seed: int = setting(0, "seed of everything that is random", ge=0, lt=2**32)
    minutes: float = setting(
        0.0, "time for the whole run, divided over the epochs; 0: as many epochs and samples as set here", unit="min", ge=0
    )
    epochs: int = setting(7, "number of epochs", ge=1)
    samples_per_epoch: int = setting(1773, "random patches of one epoch; the report made 1773 of its three images", ge=1)
    batch_size: int = setting(16, "patches in one step", ge=1)
    compile: bool | Literal["auto"] = setting(
        "auto", "use torch.compile; auto: where a benchmark has shown a gain, which is nowhere so far", local=True
    )
    patience: int = setting(
        5, "epochs without a better validation IoU before training stops; needs checkpoint_selection: best, minutes: 0", ge=1
    )


class Start(Group):
    """Start."""

    start: Text = setting(
        "auto",
        "auto: the shipped start, a network that has seen cells, where it fits; none: random weights; or a start file, or "
        "a bundle: folder, run, models:/NAME@ALIAS",
    )
    start_share: float = setting(
        0.0,
        "weight of the start in the average of start and trained network that is kept; above 0, the network forgets less of "
        "what the start knows of other images",
        ge=0,
        lt=1,
    )


class Split(Group):
    """Split into training and validation data."""

    split: Literal["auto", "images", "region", "original", "none"] = setting(
        "auto",
        "images: whole images are held out; region: a part of each image; auto: by their number; original: that of the "
        "report, leaks; none: nothing is held out",
    )
    validation_fraction: float = setting(0.15, "of the images, or of the rows or columns of each image", gt=0, le=0.5)
    guard: int = setting(16, "width of the band between training and validation region that neither uses", unit="px", ge=0)


class Augmentation(Group):
    """Augmentation; every range is sampled for each patch."""

    augmentation: Literal["patches", "transforms"] = setting(
        "patches", "patches: a whole batch at once, from any part of the images; transforms: MONAI's, one sample at a time"
    )
    patch_size: Shape = setting([256, 256], "size of a patch after `scale`, multiples of stem_stride * 2 ** (levels - 1)")
    rotation: float = setting(3.14159, "from -rotation to +rotation", unit="rad", ge=0)
    zoom: FactorRange = setting([0.7, 1.4], "magnification of the cells")
    stretch: AtLeast1 = setting(1.2, "largest ratio of the magnifications of the two axes; patches only")
    shear: float = setting(0.1, "tangent of the shear angle, from -shear to +shear; patches only", ge=0)
    elastic: float = setting(0.0, "root mean square length of a smooth displacement; patches only", unit="px", ge=0)
    flip_probability: Fraction = setting(0.5, "probability of a flip, for each axis")
    change_probability: Fraction = setting(0.5, "probability of each of the following changes")
    gamma: AtLeast1 = setting(1.4, "largest exponent of grey values; the smallest is 1 / gamma")
    brightness: float = setting(
        0.3, "added, up to +-brightness; cells lie about 3 from the background; transforms: factor 1 +- brightness", ge=0
    )
    contrast: AtLeast1 = setting(
        1.4, "largest factor on the distance from the mean, the smallest is 1 / contrast; patches only, as the next four"
    )
    illumination: float = setting(0.5, "largest value of a smooth field that is added, in units of brightness", ge=0)
    shading: float = setting(0.3, "largest fraction by which a smooth field multiplies", ge=0)
    blur: float = setting(1.5, "largest sigma of a Gaussian blur", unit="px", ge=0)
    noise: float = setting(0.2, "largest sigma of Gaussian noise, in units of brightness", ge=0)
    obstacles: Fraction = setting(
        0.1, "probability that a patch shows a procedural wall or bubble, which counts as background; patches only"
    )


class PseudoLabels(Group):
    """Images without labels (`unlabelled`), which the averaged network labels during training."""

    pseudo_label_schedule: Schedule = setting([0.4, 0.7], "training fractions at which pseudo-labels are refreshed")
    pseudo_label_confidence: float = setting(0.8, "confidence threshold of a pseudo-label", ge=0.5, lt=1)
    pseudo_label_fraction: float = setting(0.5, "fraction of patches with pseudo-labels", gt=0, lt=1)


class Optimisation(Group):
    """Loss and optimiser."""

    loss: Loss = setting("dice_bce", "bce: binary cross-entropy; dice_bce: with Dice loss; focal: focal loss, gamma 2")
    pos_weight: Positive | Literal["auto", "balanced"] = setting(
        1.0, "weight of foreground pixels; balanced: background / foreground of the labels; auto: its square root"
    )
    use_borders: bool = setting(True, "weight pixels by train/borders, where it exists")
    lr: Positive = setting(0.002, "learning rate of AdamW, which is Adam where weight_decay is 0")
    weight_decay: float = setting(0.01, "weight decay of AdamW", ge=0)
    lr_schedule: Literal["decay", "step"] = setting(
        "decay", "decay: warm-up, then to 0 over the whole run; step: times lr_gamma every lr_step epochs"
    )
    warm_up: float = setting(0.05, "fraction of the run in which the learning rate rises; decay only", gt=0, lt=1)
    lr_step: PositiveInt | Literal["auto"] = setting("auto", "auto: two fifths of the run", unit="epochs")
    lr_gamma: float = setting(0.2, "factor of the step schedule", gt=0, le=1)
    checkpoint_selection: Literal["last", "best"] = setting(
        "last", "last: weights of the last epoch; best: of the epoch with the best validation IoU"
    )
    ema: float = setting(
        0.99, "decay of the moving average of the weights, which is validated and kept; 0: no average", ge=0, lt=1
    )
    keep_last_state: bool = setting(
        False,
        "also write models/last.pt: weights, optimiser and schedule after the last epoch, three times the weights",
    )


class Tracking(Group):
    """Tracking."""

    track: bool = setting(True, "record the run in MLflow", recorded=False, local=True)
    tracking_uri: Text = setting(
        "auto", "auto: $MLFLOW_TRACKING_URI, or else mlflow.db in the working folder", recorded=False, local=True
    )
    experiment: Text = setting("livecell", "name of the experiment", recorded=False, local=True)
    run_name: Text = setting("auto", "auto: that of the output folder", recorded=False, local=True)


class Evaluation(Group):
    """Evaluation."""

    surface_tolerance: float = setting(
        2.0, "greatest distance of a correct outline on the original grid, for surface Dice", unit="px", ge=0, recorded=False
    )


TRAIN = (Run, Start, Split, Augmentation, PseudoLabels, Optimisation, Tracking)
EVALUATE = (Evaluation,)
