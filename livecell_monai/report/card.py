"""The model card: what a trained bundle is, what it learned from, how well it did and what that does not say."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite

from livecell_monai.metrics import label_of
from livecell_monai.report.templates import Markdown, render

ImageRow = tuple[str, str, int, int, int | None, float]

FEW = "They come from few images. Another draw of the same cells would move them."
ALIKE = (
    "They come from one set of cells, one microscope and one way to annotate. Another cell line, contrast, magnification or "
    "hand that draws is untested."
)
CHOSEN = "The epoch was chosen by the validation score, which makes that score slightly optimistic in itself."
PIXELS = "They count pixels, not cells: two cells merged into one cost few pixels."
ADVICE = "Score the bundle on test images that you have annotated yourself, with `livecell evaluate`, before you rely on it."


@dataclass(frozen=True)
class CardFacts:
    """What one training run knows of itself.

    Attributes:
        name: name of the model.
        version: version of the bundle.
        created: date of the run, ISO 8601.
        images: the training images, one (name, sha256, height in px, width in px, number of cells or None where the
            label does not tell cells apart, foreground as share of the pixels in [0, 1]) each.
        split: how training and validation were parted, in words.
        leaking: whether the split puts copies of one image on both sides.
        measured_on: what was scored, and on which grid.
        limit: what the split leaves the score unable to say.
        epochs_run: epochs trained.
        kept_epoch: epoch of the weights, counted from 1.
        is_chosen: whether that epoch was chosen by its validation score; else it is the last.
        seconds: duration of the training in s.
        device: what it ran on, such as "cpu" or the name of the GPU.
        validation: scores by name, such as IoU, accuracy and loss.
        settings: the resolved settings of the bundle by name.
        weights_sha256: hash of the file of weights.
        versions: versions of the software by package.
        seed: seed of every random draw.
        resumed: how often the training was interrupted and resumed.
        changes: files that had changed by then, each with what has become of it.
    """

    name: str
    version: str
    created: str
    images: Sequence[ImageRow]
    split: str
    leaking: bool
    measured_on: str
    limit: str
    epochs_run: int
    kept_epoch: int
    is_chosen: bool
    seconds: float
    device: str
    validation: Mapping[str, float]
    settings: Mapping[str, object]
    weights_sha256: str
    versions: Mapping[str, str]
    seed: int
    resumed: int = 0
    changes: Sequence[str] = ()


def render_card(facts: CardFacts) -> str:
    """The model card in Markdown, ending in a line break.

    Args:
        facts: what the run knows of itself; every text in it is shown as text, whatever markup it holds.
    """
    return render(
        "card.md.j2",
        **vars(facts),
        duration=_duration(facts.seconds),
        scores=[
            (label_of(name), f"{value:.4f}" if isfinite(value) else "undefined") for name, value in facts.validation.items()
        ],
        limits=list_limits(facts.limit, facts.is_chosen),
        advice=Markdown(ADVICE),
    )


def list_limits(limit: str, is_chosen: bool) -> list[str]:
    """What the scores of a training cannot say, a sentence or two each.

    Args:
        limit: what the split leaves them unable to say.
        is_chosen: whether the epoch was chosen by its validation score.
    """
    return [FEW, ALIKE, limit, *([CHOSEN] if is_chosen else []), PIXELS]


def _duration(seconds: float) -> str:
    """Seconds as "2 h 5 min", "12 min 5 s" or "48 s"."""
    minutes, rest = divmod(round(seconds), 60)
    hours, left = divmod(minutes, 60)
    if hours:
        return f"{hours} h {left} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
