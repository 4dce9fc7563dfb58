"""How work is cut: nothing left out, nothing twice, movies whole."""

import itertools

import pytest

from livecell_monai.distributed.dask.partition import share_images, share_rows


def image(name):
    return {"name": name, "image": f"{name}.tif"}


def movie(name, frames):
    return [{"name": name, "image": f"{name}.tif::t={t},c=0,z=0", "frames": frames, "position": t} for t in range(frames)]


@pytest.mark.parametrize(("count", "workers", "most"), [(1000, 2, 32), (100, 1, 25), (16, 2, 2), (3, 8, 1), (1, 1, 1)])
def test_images_in_their_order_a_few_at_a_time(count, workers, most):
    items = [image(f"i{number}") for number in range(count)]
    parts = list(share_images(items, workers))
    assert list(itertools.chain(*parts)) == items
    assert max(map(len, parts)) == most


def test_a_movie_is_one_task_and_shares_it_with_nothing():
    items = [image("a"), *movie("m", 20), *movie("n", 2), image("b"), image("c")]
    names = [[item["name"] for item in part] for part in share_images(items, 1)]
    assert names == [["a"], ["m"] * 20, ["n"] * 2, ["b"], ["c"]]


def test_nothing_is_no_task():
    assert list(share_images([], 2)) == []
    assert share_rows([], 2, 1024) == []


@pytest.mark.parametrize("workers", [1, 2, 5, 1000])
def test_rows_each_once_and_by_whole_chunks(workers):
    bands = [(0, 1024), (3072, 20_000)]
    shared = share_rows(bands, workers, 1024)
    assert sorted(itertools.chain(*(range(*band) for band in shared))) == sorted(
        itertools.chain(*(range(*b) for b in bands))
    )
    assert all(top % 1024 == 0 for top, _ in shared)
    assert len(shared) >= min(4 * workers, 18)
