"""The model card: what a trained bundle is, what it learned from, how well it did and what that does not say."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite

from livecell_monai.metrics import label_of

ImageRow = tuple[str, str, int, int, int | None, float]

# An underscore inside a word is no markup and stays readable in the source.
_MARKUP = re.compile(r"[\\`*\[\]|<>&~#$]|(?<![^\W_])_|_(?![^\W_])")
_PLAIN = re.compile(r"[A-Za-z0-9_.,:=/()+@ \[\]'\"-]+")

LEAK_WARNING = """\
> **WARNING: validation is on what the network was trained on, and the scores below are too good.** Take no decision by these
> scores; train with a split by region or by image, run a cross-validation, or score on test images of your own."""

FEW = "They come from few images. Another draw of the same cells would move them."
ALIKE = """\
They come from one set of cells, one microscope and one way to annotate. Another cell line, contrast, magnification or
  hand that draws is untested."""
CHOSEN = "The epoch was chosen by the validation score, which makes that score slightly optimistic in itself."
PIXELS = "They count pixels, not cells: two cells merged into one cost few pixels."
ADVICE = """\
Score the bundle on test images that you have annotated yourself, with `livecell evaluate`, before you rely on it."""

USAGE = """\
## How to use

From inside this folder:

```sh
livecell predict . IMAGES --output DIR
```

or with MONAI's own command, which reads the same configuration:

```sh
python -m monai.bundle run inferring --config_file configs/inference.yaml --dataset_dir IMAGES --output_dir DIR
```

Both read every image in the folder `IMAGES` and write one mask for each into `DIR`, at the full size of the image."""

LICENCE = """\
## Licence and intended use

Code and configuration are under the Apache License 2.0, see `LICENSE`. The weights derive from the images listed above;
see to it that their licence allows what you do with them. For research only: not a medical device, and not for
diagnostic use."""


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
        resumed: how often the training was stopped and gone on with.
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
    limits = "\n".join(f"- {limit}" for limit in list_limits(escape(facts.limit), facts.is_chosen))
    unsaid = f"## What the numbers do not say\n\n{limits}\n\n{ADVICE}"
    sections = (_render_head(facts), _render_images(facts), _render_validation(facts), unsaid, USAGE)
    tail = (_render_settings(facts), _render_provenance(facts), LICENCE)
    return "\n\n".join(sections + tail) + "\n"


def list_limits(limit: str, is_chosen: bool) -> list[str]:
    """What the scores of a training cannot say, a sentence or two each.

    Args:
        limit: what the split leaves them unable to say.
        is_chosen: whether the epoch was chosen by its validation score.
    """
    return [FEW, ALIKE, limit, *([CHOSEN] if is_chosen else []), PIXELS]


def escape(text: object) -> str:
    """A value as Markdown text on one line: nothing in it makes a table cell, a tag, a link or emphasis.

    Args:
        text: anything with a str().
    """
    line = " ".join(str(text).split())
    # Entities, not backslashes: a table cell takes off one layer of backslashes before the text is read.
    return _MARKUP.sub(lambda match: f"&#{ord(match[0])};", line)


def _code(text: object) -> str:
    """A value in code font where its characters are harmless there, as escaped text otherwise."""
    line = " ".join(str(text).split())
    return f"`{line}`" if _PLAIN.fullmatch(line) else escape(line)


def _table(header: Sequence[str], rows: Sequence[Sequence[str]], numbers_from: int) -> str:
    """A table in Markdown; columns from `numbers_from` on are set to the right."""
    rule = ["---" if place < numbers_from else "---:" for place in range(len(header))]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in (header, rule, *rows))


def _render_head(facts: CardFacts) -> str:
    return f"""\
# {escape(facts.name)} {escape(facts.version)}

A U-Net that marks the pixels of live cells in grey microscopy images: each pixel is foreground (cell) or background. It
is a MONAI Bundle: this folder holds its weights, its configuration and this card, and needs nothing else but the
packages named below. It does not tell touching cells apart.

Trained on {escape(facts.created)} by livecell-monai; this card was written by that run."""


def _render_images(facts: CardFacts) -> str:
    rows = [
        (
            _code(name),
            f"{height} x {width}",
            "not counted" if cells is None else str(cells),
            f"{100 * foreground:.1f} %",
        )
        for name, _, height, width, cells, foreground in facts.images
    ]
    number = "1 annotated image" if len(rows) == 1 else f"{len(rows)} annotated images"
    table = _table(("image", "size (Y x X, px)", "cells", "foreground"), rows, numbers_from=1)
    return f"""\
## What it was trained on

{number}; their hashes stand under provenance.

{table}

Trained for {facts.epochs_run} epochs in {_duration(facts.seconds)} on {escape(facts.device)}; the weights are those of
epoch {facts.kept_epoch}, {"the best by validation" if facts.is_chosen else "the last"}.{_tell_stops(facts)}"""


def _tell_stops(facts: CardFacts) -> str:
    if not facts.resumed:
        return ""
    often = "once" if facts.resumed == 1 else f"{facts.resumed} times"
    text = f"\n\nThe training was stopped and gone on with {often}."
    if facts.changes:
        changed = "; ".join(_code(change) for change in facts.changes)
        text += f"\n\n> **WARNING: by then the data had changed, and it went on all the same:** {changed}."
    return text


def _render_validation(facts: CardFacts) -> str:
    rows = [
        (escape(label_of(name)), f"{value:.4f}" if isfinite(value) else "undefined")
        for name, value in facts.validation.items()
    ]
    warning = f"{LEAK_WARNING}\n\n" if facts.leaking else ""
    return f"""\
## How it was validated

Split: {escape(facts.split)}

{warning}## Scores

At epoch {facts.kept_epoch}, measured on {escape(facts.measured_on)}.

{_table(("score", "value"), rows, numbers_from=1)}"""


def _render_settings(facts: CardFacts) -> str:
    rows = [(_code(name), _code(value)) for name, value in facts.settings.items()]
    return f"## Settings\n\n{_table(('setting', 'value'), rows, numbers_from=2)}"


def _render_provenance(facts: CardFacts) -> str:
    hashes = [(_code(name), _code(sha256)) for name, sha256, *_ in facts.images]
    hashes.append(("the weights", _code(facts.weights_sha256)))
    versions = [(escape(package), _code(version)) for package, version in facts.versions.items()]
    return f"""\
## Provenance

Seed: {facts.seed}.

{_table(("file", "SHA-256"), hashes, numbers_from=2)}

{_table(("package", "version"), versions, numbers_from=2)}"""


def _duration(seconds: float) -> str:
    """Seconds as "2 h 5 min", "12 min 5 s" or "48 s"."""
    minutes, rest = divmod(round(seconds), 60)
    hours, left = divmod(minutes, 60)
    if hours:
        return f"{hours} h {left} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
