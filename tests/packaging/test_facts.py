"""What an exported model says about itself."""

import json

from livecell_monai.packaging.facts import collect_facts


def test_are_those_of_the_bundle(tiny, opened, facts):
    values = facts.values()
    assert values["name"] == "livecell U-Net tiny"
    assert values["channel_def"] == {"0": "foreground", "1": "distance"}
    assert (values["threshold"], values["network_scale"]) == (0.5, 1.0)
    sizes = {"seed_depth": 2.0, "cell_diameter": 20.0, "map_threshold": 0.5, "min_cell_area": 10, "min_border_cell_area": 0}
    assert values["cells"] == sizes
    assert values["training"]["created"] == "2026-11-30"
    assert len(values["training"]["weights_sha256"]) == 64
    assert values["parity"] == {"iou": 0.9996, "largest_difference": 2e-06}
    assert facts.card.startswith("# Model card")
    plain = collect_facts(tiny, opened.settings, "x", ["foreground"])
    assert (plain.authors, plain.licence) == (("livecell-monai developers",), "Apache-2.0")
    assert "parity" not in plain.values()


def test_as_texts_they_are_json_where_they_are_no_text(facts):
    texts = facts.texts()
    assert texts["author"] == "A. Author"
    values = facts.values()
    assert json.loads(texts["cells"]) == values["cells"]
    assert float(texts["threshold"]) == 0.5
    assert set(texts) == set(values)


def test_texts_of_a_bundle_are_one_short_line(tmp_path, tiny, opened):
    metadata = json.loads((tiny / "configs" / "metadata.json").read_text())
    metadata |= {"task": "long\n" * 500, "version": ["odd"]}
    (tmp_path / "configs").mkdir()
    (tmp_path / "configs" / "metadata.json").write_text(json.dumps(metadata))
    found = collect_facts(tmp_path, opened.settings, "x", ["foreground"])
    assert found.description == ("long " * 500)[:200]
    assert found.version == "['odd']"
    assert found.card == "This bundle has no model card.\n"
