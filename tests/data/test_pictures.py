import re
import warnings
import xml.etree.ElementTree as ET

import pytest

from hf_scaling.data import pictures
from hf_scaling.data.pictures import draw_corpus
from hf_scaling.laws.plots import write_figure


def statistics(**changes):
    counts = {"train": [3, 9, 2], "validation": [0, 1, 0], "test": [0, 1, 1]}
    return {
        "splits": {split: {"tunes": sum(n), "characters": 100 * sum(n)} for split, n in counts.items()},
        "rejected": {"too long": 4, "no key": 2},
        "tune_length_histogram": {"edges": [64.0, 80.0, 96.0, 113.0], "counts": counts},
        "sources": {"music21": 17},
        "collections": {"airdsAirs": 10, "miscFolk": 7},
        "keys": {"G": 9, "D": 5},
        "meters": {"6/8": 17},
        "rhythms": {"": 15, "jig": 2},
        "characters": {" ": 900, "\n": 80, "A": 700},
        "family_sizes": {"1": 9, "2": 4},
    } | changes


@pytest.fixture
def panels(monkeypatch, tmp_path):
    """Draw statistics, as SVG only and with every warning an error, and return title -> all texts of the panel."""

    def draw(found):
        drawn = {}
        monkeypatch.setattr(pictures, "write_figure", lambda figure, path: drawn.update({path.suffix: figure}))
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            draw_corpus(found, tmp_path / "corpus")
            write_figure(drawn[".svg"], tmp_path / "corpus.svg")
        return {axes.get_title(loc="left"): texts(axes) for axes in drawn[".png"].get_axes()}

    return draw


def texts(axes):
    ticks = [*axes.get_yticklabels(), *axes.get_xticklabels()]
    return [text.get_text() for text in [*ticks, *axes.texts]]


def test_every_panel_shows_what_was_counted(panels):
    shown = panels(statistics())
    assert list(shown) == [
        "Tune lengths", "Tune families, by size", "Rejected: 6, by reason", "Keys", "Metres", "Rhythms",
        "Collections", "Characters: 3 different",
    ]  # fmt: skip
    assert set(shown["Rejected: 6, by reason"]) >= {"too long", "no key", "4", "2"}
    assert set(shown["Rhythms"]) >= {"not given", "jig", "15"}
    assert {"␣", "↵", "A"} <= set(shown["Characters: 3 different"])
    assert set(shown["Keys"]) >= {"others", "3"}  # 14 of the 17 tunes are in the keys listed


def test_bars_are_the_largest_counts_and_the_rest_is_a_number(panels):
    shown = panels(statistics(meters={f"{n}/8": n for n in range(1, 21)}))["Metres"]
    assert [label for label in shown if "/" in label] == [f"{n}/8" for n in range(20, 8, -1)]
    assert shown[shown.index("others") :][-1] == str(sum(range(1, 9)))


def test_several_sources_stand_above_their_collections(panels):
    shown = panels(statistics(sources={"music21": 12, "the_session": 5}))["Sources (dark), collections"]
    assert shown[:4] == ["music21", "the_session", "airdsAirs", "miscFolk"]


def test_nothing_counted_is_said_panel_by_panel(panels):
    assert all(found[-1] == "nothing counted" for found in panels({}).values())


def test_one_empty_count_leaves_the_others(panels):
    shown = panels(statistics(rejected={}))
    assert shown["Rejected"][-1] == "nothing counted"
    assert "nothing counted" not in shown["Keys"]


def test_no_name_is_markup_or_stops_the_drawing(panels, tmp_path):
    names = ["$\\frac{", "a\nb", "\x00\x1b[31m", "中文🎵", "x" * 10_000, "<script>&", "_^{}", "%s{x}"]
    found = panels(statistics(keys=dict.fromkeys(names, 2), characters={name[0]: 3 for name in names}))["Keys"]
    assert {"$\\frac{", "a\ufffdb", "<script>&", "_^{}", "%s{x}", "x" * 29 + "…"} <= set(found)
    assert not [label for label in found if not label.isprintable()]
    ET.parse(tmp_path / "corpus.svg")


def test_bins_of_no_width_and_splits_without_tunes_are_drawn(panels):
    histogram = {"edges": [80, 80, 81], "counts": {"train": [0, 3], "validation": [0, 1], "test": [0, 0]}}
    assert "Tune lengths" in panels(statistics(tune_length_histogram=histogram, family_sizes={"1": 1}))


def test_equal_statistics_give_equal_bytes(tmp_path):
    for name in ("one", "two"):
        draw_corpus(statistics(), tmp_path / name)
    for suffix in ("png", "svg"):
        assert (tmp_path / f"one.{suffix}").read_bytes() == (tmp_path / f"two.{suffix}").read_bytes()
    assert not re.search(r"\d{4}-\d\d-\d\d", (tmp_path / "one.svg").read_text(encoding="utf-8"))
