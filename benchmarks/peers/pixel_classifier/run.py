"""What ilastik's pixel classification does: a random forest on multi-scale features of each pixel, in scikit-image.

Features follow scikit-image's example "Trainable segmentation", the number of trees follows ilastik; trees are added as
long as there is time. Run: `run.py DATA RESULTS --minutes M`.

Source: Berg et al., "ilastik: interactive machine learning for (bio)image analysis", Nature Methods 16, 2019.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from skimage.feature import multiscale_basic_features
from sklearn.ensemble import RandomForestClassifier

from peers.interface import Annotated, Clock, OutOfTime, Pace, Pixels, Segment, require_steps, serve

SIGMAS = (1.0, 16.0)  # finest and coarsest scale, standard deviations in pixels
PIXELS = 50_000  # of each training image, drawn at random
TREES = 100
TREES_AT_ONCE = 10


def measure_features(image: Pixels) -> Pixels:
    """Features (Y, X, F) float32 of an image scaled by its own 1st and 99th percentile."""
    low, high = np.percentile(image, [1, 99])
    scaled = (image.astype(np.float32) - low) / max(high - low, 1e-6)
    features: Pixels = multiscale_basic_features(scaled, sigma_min=SIGMAS[0], sigma_max=SIGMAS[1]).astype(np.float32)
    return features


def draw_pixels(pairs: Sequence[Annotated]) -> tuple[Pixels, Pixels]:
    """Features (N, F) and truth (N,) of pixels drawn from every training image."""
    generator = np.random.default_rng(0)
    features, truth = [], []
    for pair in pairs:
        chosen = generator.permutation(pair.image.size)[:PIXELS]
        values = measure_features(pair.image)
        features.append(values.reshape(-1, values.shape[-1])[chosen])
        truth.append(pair.cells.reshape(-1)[chosen] > 0)
    return np.concatenate(features), np.concatenate(truth)


def grow_forest(features: Pixels, truth: Pixels, clock: Clock) -> Any:
    """A forest of as many trees as there is time for."""
    forest = RandomForestClassifier(n_estimators=0, warm_start=True, n_jobs=-1, random_state=0, max_samples=0.5)
    pace = Pace(clock)
    try:
        while forest.n_estimators < TREES:
            pace.begin_step()
            forest.n_estimators += TREES_AT_ONCE
            forest.fit(features, truth)
    except OutOfTime:
        print(f"{forest.n_estimators} of {TREES} trees in the time given")
    require_steps(pace.steps)
    return forest


def train(pairs: Sequence[Annotated], clock: Clock) -> Segment:
    """Train the forest on pixels of all images."""
    forest = grow_forest(*draw_pixels(pairs), clock)

    def segment(image: Pixels) -> Pixels:
        features = measure_features(image)
        mask: Pixels = forest.predict(features.reshape(-1, features.shape[-1])).reshape(image.shape)
        return mask

    return segment


if __name__ == "__main__":
    serve(train)
