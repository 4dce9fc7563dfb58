"""One training, from the first epoch to a complete bundle, under whatever tracks it."""

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from monai.engines import SupervisedEvaluator, SupervisedTrainer

from livecell_monai import __version__
from livecell_monai.bundle.export import package_versions, write_bundle
from livecell_monai.bundle.open import open_bundle
from livecell_monai.bundle.weights import load_weights, save_weights, write_weights
from livecell_monai.data.dataset.findings import Finding, look_at
from livecell_monai.data.dataset.folder import name_data
from livecell_monai.data.dataset.identity import digest_of, hash_file, list_files, name_file
from livecell_monai.data.dataset.items import Item, to_items
from livecell_monai.data.dataset.split import Split
from livecell_monai.errors import DataError
from livecell_monai.network import UNet
from livecell_monai.network.accelerator import Accelerator
from livecell_monai.network.map_ranges import RANGES
from livecell_monai.plan import measure_fingerprint
from livecell_monai.prediction.judging import Judge, draw_samples, pick_unseen, show_split
from livecell_monai.runs.atomic import make_folder
from livecell_monai.sample import Sample
from livecell_monai.settings import select
from livecell_monai.training.best_weights import BestWeights
from livecell_monai.training.changes import describe_machine
from livecell_monai.training.checkpoints import Checkpoints
from livecell_monai.training.history import History, OnEpoch
from livecell_monai.training.split_descriptions import SPLITS
from livecell_monai.training.tracker import Run, Tracker, noted

LAST = {"model": "network", "optimizer": "optimizer", "lr_scheduler": "lr_scheduler"}  #: keys of last.pt, and their parts
UNSEEN = 6  # test images that are predicted for the figures
UNSEEN_IN_HASTE = 2  # and where there are less than MINUTES for the whole run
MINUTES = 2.0


class TrainingSession:
    """Everything around the trainer's loop.

    Args:
        trainer: runs the epochs.
        evaluator: validates after each; its metrics are `val_loss`, `val_iou` and `val_accuracy`.
        network: what validates and is kept: the trained network's running mean, or the network itself.
        accelerator: where it runs.
        split: what is trained and validated on.
        settings: resolved value of every setting; those that are recorded go into the record and into the bundle.
        dataset_dir: the data folder or datalist; its name is kept, its path is not.
        output_dir: the folder that becomes the trained bundle; `models/` is written when the training is over.
        tracker: notes the run.
        judge: predicts validation and test images for the figures, by the same network.
        illustrate: called with the folder and the facts of the run; writes the figures and `scores.csv`.
        describe: called with the facts of the run; gives the model card as Markdown.
        checkpoints: keep the state of the training, and have it go on where it was stopped.
        best: the weights of the best epoch, where they are kept.
        unlabelled: images that it learned from without their labels.

    Attributes:
        plan: file of the plan that some settings come from, kept as `configs/plan.yaml`; None where there was none.
        on_epoch: called with each epoch and its metrics, after the tracker; what it raises ends the training.
    """

    def __init__(
        self,
        trainer: SupervisedTrainer,
        evaluator: SupervisedEvaluator,
        network: UNet,
        accelerator: Accelerator,
        split: Split,
        settings: Mapping[str, Any],
        dataset_dir: str,
        output_dir: str,
        tracker: Tracker,
        judge: Judge,
        illustrate: Callable[..., None],
        describe: Callable[..., str],
        checkpoints: Checkpoints,
        best: BestWeights,
        unlabelled: Sequence[Item] = (),
    ) -> None:
        self.trainer = trainer
        self.evaluator = evaluator
        self.network = network
        self.accelerator = accelerator
        self.split = split
        self.settings = select(settings, "recorded")
        self.dataset_dir = dataset_dir
        self.data_name = name_data(dataset_dir)
        self.folder = Path(output_dir)
        self.tracker = tracker
        self.judge = judge
        self.illustrate = illustrate
        self.describe = describe
        self.checkpoints = checkpoints
        self.best = best
        self.plan: Path | None = None
        self.unlabelled = unlabelled
        self.unlabelled_images = len(unlabelled)
        self.on_epoch: OnEpoch | None = None

    def run(self) -> dict[str, Any]:
        """Train, and leave a complete bundle.

        Returns:
            What the bundle's metadata says of the training.
        """
        files = list_files(self._samples(), self.unlabelled)
        all_hashes = {name: hash_file(path) for name, path in files.items()}
        hashes = {name: all_hashes[name] for name in list_files(self._samples())}
        about = self._parameters(), hashes, self.data_name
        with (
            self.checkpoints.opened(self.settings, files, all_hashes, describe_machine(self.accelerator)),
            noted(self.tracker.start(*about, self.checkpoints.run_id), self.checkpoints.note_run) as run,
        ):
            history = self._train(run)
            training = self._facts(history, hashes, self._write_weights())
            training[RANGES] = self.judge.measure_ranges(to_items(self.split.train))
            self._write(history, training)
            run.log_result(self.folder, training["validation"])
        return training

    def follow(self) -> Any:
        """Train beside the process that runs the session, with nothing written."""
        self.checkpoints.follow(self.trainer, self.evaluator)
        return self.trainer.run()

    def _train(self, run: Run) -> History:
        history = History(self.evaluator, run.log_epoch)
        if self.on_epoch is not None:
            history.listeners.append(self.on_epoch)
        history.attach(self.trainer)
        self.checkpoints.follow(self.trainer, self.evaluator, history)
        for row in history.rows:  # one that was saved, and not told any more
            run.log_epoch(int(row["epoch"]), {name: value for name, value in row.items() if name != "epoch"})
        with self.checkpoints.heeding():
            self.trainer.run()
        return history

    def _write_weights(self) -> dict[str, str]:
        """Write what is kept, which the network then has too; its hash."""
        models = make_folder(self.folder / "models")
        parts = self.checkpoints.parts
        save_weights({key: parts[part].state_dict() for key, part in LAST.items()}, models / "last.pt")
        kept = self.best.weights if self.settings["checkpoint_selection"] == "best" else self.network.state_dict()
        written = write_weights(kept, models)
        self.network.load_state_dict(kept)
        return written

    def _samples(self) -> list[Sample]:
        """Every image of the split once, whole, by name."""
        both = {sample.name: sample for sample in (*self.split.train, *self.split.validation)}
        return [both[name] for name in sorted(both)]

    def _parameters(self) -> dict[str, Any]:
        used = {"split_used": self.split.mode, "computed_on": str(self.accelerator)}
        machine = describe_machine(self.accelerator)
        bits = {name: machine[name] for name in ("threads", "workers", "bf16", "compiled", "instructions")}
        return {**self.settings, **used, **bits, "unlabelled_images": self.unlabelled_images}

    def _facts(self, history: History, hashes: Mapping[str, str], weights: Mapping[str, str]) -> dict[str, Any]:
        kept = history.rows[-1] if self.settings["checkpoint_selection"] == "last" else history.best()
        return {
            "created": datetime.now(UTC).isoformat(timespec="seconds"),
            "data": self.data_name,
            "data_sha256": digest_of(dict(hashes)),
            "files_sha256": dict(hashes),
            **weights,
            "split": self.split.mode,
            "leaks": self.split.leaks,
            "unlabelled_images": self.unlabelled_images,
            "epochs_run": len(history.rows),
            "kept_epoch": int(kept["epoch"]),
            "seconds": round(self.checkpoints.seconds, 1),
            "seed": self.settings["seed"],
            "computed_on": str(self.accelerator),
            "machine": describe_machine(self.accelerator),
            **self.checkpoints.facts(),
            "validation": {name: kept[f"val_{name}"] for name in ("iou", "accuracy", "loss")},
            "validated_on": SPLITS[self.split.mode].measured_on,
        }

    def _write(self, history: History, training: Mapping[str, Any]) -> None:
        """The bundle first: a disk that has no room for its figures costs no more than those."""
        docs = make_folder(self.folder / "docs")
        history.write(docs / "history.csv")
        findings = [look_at(sample, "train") for sample in self._samples()]
        card = self.describe(**self._card(training, findings))
        write_bundle(self.folder, self.settings, training, card, self.network.multiple, self.plan)
        # a config laid over the network itself is no setting, and would not be found in what was just written
        opened = open_bundle(self.folder, ["inference"])
        load_weights(opened.network_def, opened.checkpoint)
        try:
            self.illustrate(docs, **self._picture(history, training))
        except DataError as error:
            raise DataError(
                f"{error}; the bundle is whole but for its figures: livecell report {self.folder} --data DATA makes the page"
            ) from error

    def _card(self, training: Mapping[str, Any], findings: Sequence[Finding]) -> dict[str, Any]:
        hashes = training["files_sha256"]
        return {
            "name": f"livecell U-Net trained on {training['data']}",
            "version": __version__,
            "created": training["created"],
            "images": [
                (
                    found.name,
                    hashes[name_file("image", sample, sample.image)],
                    *(found.size or (0, 0)),
                    found.cells,
                    found.foreground or 0.0,
                )
                for sample, found in zip(self._samples(), findings, strict=True)
            ],
            **asdict(SPLITS[training["split"]]),
            "leaking": training["leaks"],
            "device": training["computed_on"],
            "settings": {**self.settings, "unlabelled_images": self.unlabelled_images},
            "versions": package_versions(),
            "is_chosen": self.settings["checkpoint_selection"] == "best",
            "resumed": training["resumed"],
            "changes": training["data_changes"],
            **{key: training[key] for key in ("epochs_run", "kept_epoch", "seconds", "seed", "weights_sha256")},
            "validation": training["validation"],
        }

    def _picture(self, history: History, training: Mapping[str, Any]) -> dict[str, Any]:
        """What the figures show, by the weights that are kept; images are judged as they are asked for."""
        is_hasty = 0 < self.settings["minutes"] < MINUTES
        unseen = pick_unseen(self.dataset_dir, UNSEEN_IN_HASTE if is_hasty else UNSEEN, self.settings["seed"])
        held = self.evaluator.data_loader.dataset
        judged = (self.judge.judge(held, "validation"), self.judge.predict(to_items(unseen), "test"))
        words = SPLITS[self.split.mode]
        return {
            "title": f"livecell U-Net trained on {self.data_name}",
            "training": training,
            "settings": {**self.settings, "unlabelled_images": self.unlabelled_images},
            "versions": package_versions(),
            "history": history.rows,
            "threshold": self.settings["threshold"],
            "split": words.split,
            "limit": words.limit,
            "plan": "" if self.plan is None else self.plan.read_text(encoding="utf-8"),
            "sides": show_split(self.split),
            "samples": draw_samples(self.trainer.data_loader),
            "judged": itertools.chain(*judged),
            "expected": len(held) + len(unseen),
            "diameter_px": measure_fingerprint(self.split.train).diameter_px,
        }
