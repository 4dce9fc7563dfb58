"""Trains the default network on the stream of procedural fields, so that trainings can start from its weights.

Fields come into a pool, from which every batch is cut and augmented as in a training. At every step a new field replaces the
oldest one; drawing it takes a sixth of the time of the step.
"""

import hashlib
import logging
import math
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import torch

from livecell_monai import __version__
from livecell_monai.data.dataset.folder import name_data
from livecell_monai.data.stream.ranges import DOMAINS
from livecell_monai.errors import DataError, SettingError
from livecell_monai.network import Head, SegmentationLoss, build_network
from livecell_monai.network.accelerator import Accelerator
from livecell_monai.network.heads import DISTANCE, FOREGROUND
from livecell_monai.network.start import SHAPE, Start, read_start, write_start
from livecell_monai.prediction.forward_pass import PatchInferer
from livecell_monai.runs.atomic import check_writable
from livecell_monai.runs.signals import Interruption
from livecell_monai.settings import SETTINGS, check_setting
from livecell_monai.training.batches import PatchLoader, prepare_batch
from livecell_monai.training.budget import decay_factor
from livecell_monai.training.setup import open_training, prepare_overlays
from livecell_monai.training.stream_dataset import StreamDataset
from livecell_monai.training.weights import WeightAverage
from livecell_monai.transforms import Appearance, Warp

MAPS = [FOREGROUND, DISTANCE]
NETWORK = (*SHAPE, "dropout")  #: settings, by their defaults
#: px of the cells that the weights separate best; the median of the stream is 36, but most pixels are of larger cells
EXPECTED = 48.0
POOL = 256  #: fields in memory, 3 MB each
FEWEST = 16  #: fields before the first step
DECAY = 0.999  #: of the average of the weights: trainings have 0.99, this one has more steps
ZOOM = (0.6, 1.6)  #: of the fields, beside the sizes of cells in the stream
SAVE_S = 180.0  #: between two writings of the weights
REPORT_S = 30.0

LOGGER = logging.getLogger(__name__)


@dataclass(frozen=True)
class PretrainingRequest:
    """What to train on, how long, and where the weights go; a LiveCellError if a value is invalid."""

    output: Path  #: the file, ending in .safetensors
    minutes: float | None = None  #: of the whole run
    steps: int | None = None  #: instead of minutes; on the same CPU, another run then gives the same weights
    seed: int = 0
    data: tuple[str, ...] = ()  #: data folders with real images, see `share`
    share: float = 0.2  #: of the patches come from real images, if there are any
    start: Path | None = None  #: weights to go on from; the stream then begins at another field
    workers: int = 1  #: processes that draw fields; 0: this process draws them in turn
    leave_out: tuple[str, ...] = ()  #: domains that the stream leaves out
    accelerator: str = "auto"

    def __post_init__(self) -> None:
        if self.output.suffix != ".safetensors" or not self.output.absolute().parent.is_dir():
            raise SettingError(f"{self.output}: expected a file .safetensors in an existing folder; choose another name")
        if (self.minutes is None) == (self.steps is None):
            raise SettingError("--minutes or --steps says how long to train; give one of them")
        if self.minutes is not None and not 0 < self.minutes < math.inf:
            raise SettingError(f"--minutes must be above 0 and finite, got {self.minutes:g}; correct it")
        if self.steps is not None and self.steps < 1:
            raise SettingError(f"--steps must be at least 1, got {self.steps}; correct it")
        if not 0 < self.share < 1:
            raise SettingError(f"--share must lie between 0 and 1, got {self.share:g}; correct it")
        unknown = [name for name in self.leave_out if name not in DOMAINS]
        if unknown or set(self.leave_out) == set(DOMAINS):
            raise SettingError(
                f"--leave-out must leave some of {', '.join(DOMAINS)}, got {', '.join(self.leave_out)}; correct it"
            )
        check_setting("seed", self.seed)
        check_writable(self.output)

    @property
    def domains(self) -> dict[str, float]:
        """The relative frequencies of the stream's domains."""
        return {name: domain.share for name, domain in DOMAINS.items() if name not in self.leave_out}


@dataclass(eq=False)
class Pretraining:
    """One run: `run` trains for the minutes or steps, and writes the weights every three minutes and at the end."""

    request: PretrainingRequest
    started: float = field(default_factory=time.monotonic)  #: reading of `time.monotonic()` from which the minutes count
    steps: int = field(default=0, init=False)
    written: int | None = field(default=None, init=False)  #: steps behind the weights in the file; None: nothing is written
    loss: float = field(default=0.0, init=False)  #: running mean

    def __post_init__(self) -> None:
        torch.manual_seed(self.request.seed)
        self.head = Head(MAPS)
        self.accelerator = Accelerator(self.request.accelerator)
        self.settings = _list_defaults(*NETWORK)
        network = build_network(**self.settings, channels=len(self.head.outputs))
        self.first, self.origin = 0, ""
        if self.request.start is not None:
            network.load_state_dict(self._read(self.request.start))
            # other fields than before, but the same ones for the same weights
            self.origin = hashlib.sha256(self.request.start.read_bytes()).hexdigest()
            self.first = int(self.origin[:7], 16)
        self.network = self.accelerator.place(network)
        self.average = WeightAverage(self.network, DECAY)
        self.loss_function = SegmentationLoss(SETTINGS["loss"].default, head=self.head)
        self.optimizer = torch.optim.AdamW(
            self.network.parameters(), SETTINGS["lr"].default, weight_decay=SETTINGS["weight_decay"].default, fused=True
        )
        self.loader = self._build_loader()
        self.infer = PatchInferer(self.accelerator, convert=False)

    def run(self) -> Start:
        """Train, and return what was written. After Ctrl-C or SIGTERM the weights of the steps so far are written too."""
        fields = StreamDataset(self.head, self.request.seed, self.first, self.request.domains).load(self.request.workers)
        self.loader.stacks = [stack.to(self.accelerator.device) for stack in islice(fields, FEWEST)]
        interruption = Interruption()
        with interruption.deferred():
            try:
                self._train(fields, interruption)
                interruption.cancel_deadline()
            except KeyboardInterrupt:  # the deadline of a long step: the average has the whole steps before it
                if not interruption.requested:
                    raise
            if interruption.requested and not self.steps:
                raise KeyboardInterrupt  # random weights are not worth a file
            return self._write()

    def _train(self, fields: Iterator[torch.Tensor], interruption: Interruption) -> None:
        """Take steps until all are done or an interruption is requested, and write the weights on the way."""
        batches = iter(self.loader)
        saved = reported = from_s = time.monotonic()
        while not interruption.requested and (done := self._measure_progress(from_s)) < 1:
            self._refresh(next(fields).to(self.accelerator.device))
            self._step(next(batches), decay_factor(done))
            now = time.monotonic()
            if now - reported >= REPORT_S or self.steps == 1:
                reported = now
                LOGGER.info("%.1f min: step %d, loss %.4f", (now - self.started) / 60, self.steps, self.loss)
            if now - saved >= SAVE_S:
                saved = now
                self._write()

    def _measure_progress(self, from_s: float) -> float:
        """What is done, 1 at the end: of the steps, or of the minutes that were left at a reading of `time.monotonic()`."""
        if self.request.steps is not None:
            return self.steps / self.request.steps
        return (time.monotonic() - from_s) / max(1e-3, self.started + 60 * (self.request.minutes or 0) - from_s)

    def _read(self, path: Path) -> dict[str, torch.Tensor]:
        start = read_start(path)
        known = {name: value for name, value in start.network.items() if name in self.settings}
        if start.head != MAPS or {**self.settings, **known} != self.settings:
            raise SettingError(
                f"{path}: must have the default network and maps {MAPS}, got {start.head}, {known}; use another"
            )
        return start.weights

    def _build_loader(self) -> PatchLoader:
        turned = _list_defaults("rotation", "stretch", "shear", "elastic", "flip_probability")
        warp = Warp(tuple(SETTINGS["patch_size"].default), zoom=ZOOM, **turned)
        changed = _list_defaults("contrast", "brightness", "gamma", "illumination", "shading", "blur", "noise")
        appearance = Appearance(SETTINGS["change_probability"].default, **changed)
        loader = PatchLoader(
            [],
            warp,
            appearance,
            self.head,
            SETTINGS["batch_size"].default,
            2**40,
            self.request.seed,
            self.accelerator.device,
        )
        # the second kind of stacks of a loader, which a training uses for pseudo-labels, holds the real images
        loader.pseudo_labelled = [stack.to(self.accelerator.device) for stack in self._read_real()]
        loader.pseudo_label_fraction = self.request.share
        return loader

    def _read_real(self) -> Iterator[torch.Tensor]:
        """Stacks (1 + C, Y, X) of real images, each data folder at the scale that its plan chooses."""
        for folder in self.request.data:
            settings = {"maps": MAPS, "split": "none", "use_borders": False}
            with prepare_overlays(folder, [], settings, "planned") as (_, overlays):
                dataset: Any = open_training(folder, "unused", overlays, settings).build("train#dataset")
                for index in range(len(dataset)):
                    sample = dataset[index]
                    yield torch.cat([torch.as_tensor(sample[key]).float() for key in ("image", "target")])

    def _refresh(self, stack: torch.Tensor) -> None:
        """Put a field into the pool, in place of the oldest if it is full."""
        stacks = self.loader.stacks
        if len(stacks) < POOL:
            stacks.append(stack)
        else:
            stacks[(self.steps + FEWEST) % POOL] = stack

    def _step(self, batch: Mapping[str, torch.Tensor], factor: float) -> None:
        """One step of the optimiser, with a factor on the learning rate."""
        images, target = prepare_batch(batch, self.accelerator.device)
        self.network.train()
        for group in self.optimizer.param_groups:
            group["lr"] = factor * SETTINGS["lr"].default
        self.optimizer.zero_grad()
        loss = self.loss_function(self.infer(images, self.network), target)
        value = float(loss.detach())
        if not math.isfinite(value):  # before it reaches the weights
            kept = "no weights are written" if self.written is None else f"the file has those of step {self.written}"
            raise DataError(
                f"{self.request.output}: the loss must be finite, got {value} at step {self.steps + 1}, {kept}; use another "
                "--seed, or --accelerator cpu-fp32"
            )
        loss.backward()
        self.optimizer.step()
        self.average.update()
        self.steps += 1
        self.loss += (value - self.loss) / min(self.steps, 100)

    def _write(self) -> Start:
        """Write the averaged weights and what they saw."""
        weights = {name: value.detach().cpu() for name, value in self.average.network.state_dict().items()}
        start = Start(weights, dict(self.settings), list(MAPS), EXPECTED)
        request = self.request
        last = self.first + FEWEST + self.steps - 1
        facts = {
            "minutes": f"{(time.monotonic() - self.started) / 60:.1f}",
            "steps": str(self.steps),
            "batch_size": str(self.loader.batch_size),
            "fields": f"{self.first}..{last} of seed {request.seed}",
            "domains": ", ".join(request.domains),
            "real_data": f"{', '.join(map(name_data, request.data))}: {request.share:.0%} of the patches"
            if request.data
            else "none",
            "from": f"weights of SHA-256 {self.origin}" if self.origin else "random weights",
            "loss": f"{self.loss:.4f}",
            "computed_on": str(self.accelerator),
            "version": __version__,
        }
        write_start(request.output, start, facts)
        self.written = self.steps
        LOGGER.info("%s: written after %d steps", request.output, self.steps)
        return start


def _list_defaults(*names: str) -> dict[str, Any]:
    return {name: SETTINGS[name].default for name in names}
