"""Drives the writers of predictions and scores by an engine, without a network."""

import csv

import numpy as np
import torch
from ignite.engine import Engine
from monai.data import MetaTensor


def item(index, folder, pixel_size=(0.5, 0.25)):
    """What the loader gives of one image: with NaN for a pixel size that the file does not tell."""
    path = folder / f"cell_{index}.tif"
    meta = {"pixel_size_um": np.array(pixel_size), "filename_or_obj": str(path)}
    return {"name": f"cell_{index}", "image": MetaTensor(torch.zeros(1, 8, 8), meta=meta)}


def output(mask, label=None):
    plane = torch.as_tensor(mask, dtype=torch.float32)[None]
    given = {"pred": plane, "maps": plane * 0.75 + 0.1}
    return given if label is None else {**given, "label": torch.as_tensor(label, dtype=torch.float32)[None]}


def run(writer, items, outputs):
    """Drive a writer by an engine whose batches hold one image each."""
    engine = Engine(lambda engine, _: None)

    def step(engine, index):
        engine.state.batch = [items[index]]
        return [outputs[index]]

    engine._process_function = step
    writer.attach(engine)
    engine.run(range(len(items)), max_epochs=1, epoch_length=len(items))
    return writer


def read_table(path):
    with open(path, encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))
