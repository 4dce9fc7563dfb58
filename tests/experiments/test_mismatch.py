"""Which scores can be compared, and the warnings for those that cannot."""

from livecell_monai.experiments.compared_run import ComparedRun
from livecell_monai.experiments.mismatch import find_common, find_mismatches
from tests.support.logged_runs import some_scores

REGION = {"split": "region", "settings": {"validation_fraction": "0.15"}}


def side(name, **facts):
    return ComparedRun(name, **{"data": "a" * 64, **REGION, **facts})


def by_seed(seed):
    return {"split": "images", "settings": {"validation_fraction": "0.15", "seed": str(seed)}}


class TestFindMismatches:
    def test_comparable_runs_have_none(self):
        images = some_scores(0.5, 0.6)
        assert find_mismatches([side("a"), side("b")]) == []
        assert find_mismatches([side("a", images=images), side("b", images=some_scores(0.1, 0.2))]) == []
        assert find_mismatches([side("old"), side("new", images=images)]) == []
        assert find_mismatches([]) == []

    def test_different_data(self):
        runs = [side("a"), side("b", data="b" * 64), side("c"), side("unknown", data="")]
        assert find_mismatches(runs) == ["trained on different data: a, c (aaaaaaaa); b (bbbbbbbb)"]

    def test_different_images(self):
        runs = [side("a", images=some_scores(0.5)), side("b", images=some_scores(0.5, 0.6))]
        (line,) = find_mismatches(runs)
        assert line == (
            "scored on different images: a (region, 0.15 of each image, 1 image); b (region, 0.15 of each image, 2 images)"
        )

    def test_the_same_names_with_different_labels(self):
        runs = [side("a", images=some_scores(0.5)), side("b", images=some_scores(0.5, foreground=200))]
        assert len(find_mismatches(runs)) == 1

    def test_the_same_images_of_different_splits(self):
        images = some_scores(0.5, 0.6)
        assert find_mismatches([side("a", images=images, **by_seed(0)), side("b", images=images, **by_seed(1))]) == []

    def test_different_parts_without_scores_by_image(self):
        (line,) = find_mismatches([side("a", **by_seed(0)), side("b", **by_seed(1)), side("c", **by_seed(0))])
        assert line == (
            "scored on different images: a, c (images, 0.15 of them by seed 0); b (images, 0.15 of them by seed 1)"
        )

    def test_an_old_run_among_runs_of_the_same_split(self):
        runs = [side("a", images=some_scores(0.5)), side("old"), side("x", split="evaluation", images=some_scores(0.5, 0.5))]
        (line,) = find_mismatches(runs)
        assert line.startswith("scored on different images: a, old (region")

    def test_a_leak_is_reported_once(self):
        runs = [side("a"), side("b", split="original"), side("c", split="none")]
        assert find_mismatches(runs) == [
            "split original and none score what was trained on, not to be compared with the others: b, c"
        ]

    def test_many_runs_are_shortened_to_one_line(self):
        runs = [side(f"run-{number}", data=f"{number % 10:064}") for number in range(60)]
        (line,) = find_mismatches(runs)
        assert "run-0, run-10, run-20 and 3 more (00000000)" in line
        assert line.endswith("; and 7 more")


class TestFindCommon:
    def test_by_name_in_the_order_of_the_first(self):
        first, other = (
            side("a", images=some_scores(0.5, 0.6, 0.7)),
            side("b", images=dict(reversed(some_scores(0.1, 0.2).items()))),
        )
        assert find_common(first, other) == (["a", "b"], [])

    def test_an_image_with_different_labels_is_not_common(self):
        changed = {**some_scores(0.1, 0.2), "b": some_scores(0.1, 0.2, foreground=300)["b"]}
        assert find_common(side("a", images=some_scores(0.5, 0.6)), side("b", images=changed)) == (["a"], ["b"])

    def test_no_common_image_without_scores_by_image(self):
        assert find_common(side("a"), side("b", images=some_scores(0.5))) == ([], [])
