"""Samples per second of real training against the bare network, and against the plain MONAI pipeline, in one run.

Run: `python benchmarks/training_speed.py [DATA]`; without DATA on a synthetic set of the same size. Three loops take turns,
so that what else the machine does weighs on all alike:

- training: the bundle's own trainer, from the loader to the optimiser's step, metrics and averaged weights included;
- bare: forward, loss, backward and step of the same network in the same arithmetic on one batch that lies in memory;
- plain: the same network and loss in float32 and torch's own memory format, its samples read from the files, resized to
  256 x 256 and changed by the report's transforms one by one, no cache, no worker.
"""

import logging
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from ignite.engine import Events
from monai.data import DataLoader, Dataset
from monai.transforms import Compose
from page import measure_memory, write_section

from livecell_monai.bundle.open import open_bundle
from livecell_monai.bundle.template import find_template
from livecell_monai.data.samples.sample_set import write_sample_set
from livecell_monai.sample import IMAGE, TARGET

ROUNDS = 3
STEPS = 6
BATCH = 16
SETTINGS = {"track": False, "show_progress": False, "epochs": ROUNDS + 1, "batch_size": BATCH}


def open_training(data: Path, output: Path, **settings: Any) -> Any:
    """The bundle's parser, everything in it ready to be made."""
    paths = {"dataset_dir": str(data), "output_dir": str(output)}
    merged = {**SETTINGS, **settings}
    workflow = open_bundle(find_template(), ["inference", "train"], merged, paths, workflow_type="train")
    workflow.initialize()
    return workflow.workflow.parser


def real(parser: Any) -> Callable[[], float]:
    """Rounds of the bundle's trainer, in seconds from the first batch to the last step; validation is no sample's cost."""
    trainer = parser.get_parsed_content("train#trainer")
    clock = {"start": 0.0, "end": 0.0}
    trainer.add_event_handler(Events.EPOCH_STARTED, lambda: clock.update(start=time.perf_counter()))
    trainer.add_event_handler(Events.ITERATION_COMPLETED, lambda: clock.update(end=time.perf_counter()))

    def run() -> float:
        trainer.state.max_epochs = trainer.state.epoch + 1
        trainer.run()
        return clock["end"] - clock["start"]

    return run


def timed(steps: Callable[[], None]) -> Callable[[], float]:
    """The steps as a round that gives its seconds."""

    def run() -> float:
        start = time.perf_counter()
        steps()
        return time.perf_counter() - start

    return run


def bare(parser: Any) -> Callable[[], float]:
    """Rounds of the network's step on one batch in memory."""
    accelerate, network = parser.get_parsed_content("accelerate"), parser.get_parsed_content("network")
    loss, optimizer = parser.get_parsed_content("loss_function"), parser.get_parsed_content("optimizer")
    batch = next(iter(parser.get_parsed_content("train#patches")))
    image = batch[IMAGE].to(accelerate.device).contiguous(memory_format=torch.channels_last)
    label = batch[TARGET].to(accelerate.device)

    def steps() -> None:
        network.train()
        for _ in range(STEPS):
            optimizer.zero_grad(set_to_none=True)
            with accelerate.autocast():
                logits = network(image)
            loss(logits.float(), label).backward()
            optimizer.step()

    return timed(steps)


def plain(parser: Any) -> Callable[[], float]:
    """Rounds as a MONAI tutorial has them: files, transforms one by one, float32."""
    network = parser.get_parsed_content("network_def").to(memory_format=torch.contiguous_format)
    loss = parser.get_parsed_content("loss_function")
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-3)
    chain = [*parser.get_parsed_content("train#preprocessing").transforms, *parser.get_parsed_content("train#random")]
    items = parser.get_parsed_content("train#items") * STEPS * BATCH
    loader = DataLoader(Dataset(items, Compose(chain)), batch_size=BATCH, num_workers=0)

    def steps() -> None:
        network.train()
        for _, batch in zip(range(STEPS), loader, strict=False):
            optimizer.zero_grad()
            loss(network(batch[IMAGE].as_tensor()), batch[TARGET].as_tensor()).backward()
            optimizer.step()

    return timed(steps)


def main() -> None:
    """Print samples per second and the two ratios and the memory."""
    logging.disable(logging.WARNING)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        data = Path(sys.argv[1]) if len(sys.argv) > 1 else write_sample_set(folder / "cells", train=3, test=0)
        ours = open_training(data, folder / "a", samples_per_epoch=STEPS * BATCH)
        theirs = open_training(data, folder / "b", accelerator="cpu-fp32", normalise=False, scale=[256, 256])
        rounds = {"training": real(ours), "bare": bare(ours), "plain": plain(theirs)}
        command = "train", str(data), "--output", str(folder / "c"), "--minutes", "1", "--set", "track=false"
        memory = measure_memory(sys.executable, "-m", "livecell_monai.cli", *command)
        rates: dict[str, list[float]] = {what: [] for what in rounds}
        for index in range(ROUNDS + 1):  # the first one warms up
            for what, run in rounds.items():
                seconds = run()
                if index > 0:
                    rates[what].append(STEPS * BATCH / seconds)
    median = {what: statistics.median(found) for what, found in rates.items()}
    own = rates["training"]
    ratios = {other: statistics.median(a / b for a, b in zip(own, rates[other], strict=True)) for other in ("bare", "plain")}
    lines = [
        "| loop | samples per second |",
        "| --- | --- |",
        *(f"| {what} | {rate:.1f} |" for what, rate in median.items()),
        "",
        f"Training relative to bare: {ratios['bare']:.2f} (aim 0.85); to plain: {ratios['plain']:.1f} (aim 4).",
        f"Resident memory of `livecell train`: {memory:.0f} MB (aim: at most 3000).",
    ]
    print("\n".join(lines))
    write_section("Speed of training", "python benchmarks/training_speed.py", "\n".join(lines))


if __name__ == "__main__":
    main()
