"""MIDI files and engraved scores, through the child process that makes them."""

import re
from pathlib import Path

import pytest

from hf_scaling.music.midi import Midi, MidiError, tune_to_midi, tunes_to_midi
from hf_scaling.music.score import ScoreError, tunes_to_svg

REEL = "X:1\nT:A Reel\nM:4/4\nL:1/8\nQ:1/4=120\nK:D\n"
PLAIN = REEL + "D8|F8:|E8|G8:|\n"
TOO_SHORT = REEL + "D8:|E8:|\n"
ENDINGS = REEL + "|:D8|1 E8:|2 (3FGA F6|]\n"
IRREGULAR = "X:1\nT:I\nM:4/2\nL:1/4\nK:C\nC4|G8|c4c2|e4d4|G4|c8|G2|]\n"
VOICES = "X:1\nT:V\nM:2/4\nL:1/8\nV:1\nV:2\nK:D\nV:1\nd4|e4|f4|e4:|\nV:2\nF4|G4|A4|G4:|\n"
HOSTILE = (
    "X:1\nT:<script>alert(1)</script> & <img src=x onerror=alert(2)>\nC:<a href='javascript:alert(3)'>x</a>\n"
    'M:4/4\nL:1/8\nK:D\n"<b onclick=alert(4)>D</b>"D8|"^javascript:alert(5)"E8|]\n'
)


def test_repeats_are_played_out_and_the_same_text_gives_the_same_bytes(tmp_path: Path) -> None:
    tunes = [(PLAIN, tmp_path / "a.mid"), (ENDINGS, tmp_path / "b.mid"), (PLAIN, tmp_path / "c.mid")]
    tunes += [(IRREGULAR, tmp_path / "d.mid"), (VOICES, tmp_path / "e.mid"), (TOO_SHORT, tmp_path / "f.mid")]
    results = tunes_to_midi(tunes)
    assert results[:3] == [Midi(16.0, 8), Midi(8.0, 7), Midi(16.0, 8)]
    assert isinstance(results[3], Midi)
    assert isinstance(results[4], Midi)
    assert results[5] == Midi(8.0, 4)
    assert tunes[0][1].read_bytes() == tunes[2][1].read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.mid", "b.mid", "c.mid", "d.mid", "e.mid", "f.mid"]


@pytest.mark.parametrize(
    ("abc", "seconds", "notes"),
    [
        pytest.param(REEL + "D2A>B/2 c/2<d|G8|\n", 3.375, 6, id="broken rhythm between unequal notes"),
        pytest.param(REEL + "(3D2FA/ z>A|\n", 1.083, 4, id="a tuplet of unequal notes, a rest in broken rhythm"),
        pytest.param(REEL + "c4-d4|c4-c4|\n", 4.0, 3, id="a tie to another pitch"),
        pytest.param(REEL + "D4|:f/ g21//:|\n", 3.875, 5, id="a repeat of an irregular bar"),
        pytest.param(REEL.replace("K:", "A:| D |\nF:| A2\nK:") + "B8|\n", 2.0, 1, id="music in the header"),
        pytest.param(REEL + "|:A2\nK:C\nc2:|d4|\n", 3.0, 5, id="a repeat of a change of key"),
    ],
)
def test_what_music21_gets_wrong_by_itself_is_worked_out_for_it(
    abc: str, seconds: float, notes: int, tmp_path: Path
) -> None:
    midi = tune_to_midi(abc, tmp_path / "a.mid")
    assert (midi.seconds, midi.notes) == (pytest.approx(seconds, abs=0.002), notes)


def test_tempo_is_the_tunes_own_or_a_plain_default(tmp_path: Path) -> None:
    own, default = PLAIN.replace("1/4=120", "1/4=60"), PLAIN.replace("Q:1/4=120\n", "")
    results = tunes_to_midi([(own, tmp_path / "own.mid"), (default, tmp_path / "default.mid")])
    assert [result.seconds for result in results if isinstance(result, Midi)] == pytest.approx([32.0, 10.667], abs=0.01)


def test_a_tune_that_takes_too_long_is_given_up_and_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(MidiError, match="longer than"):
        tune_to_midi(REEL + "D8|" * 400, tmp_path / "slow.mid", timeout=0.01)
    assert list(tmp_path.iterdir()) == []


def test_scores_are_engraved_and_inert(tmp_path: Path) -> None:
    paths = [tmp_path / name for name in ("a.svg", "b.svg", "c.svg")]
    results = tunes_to_svg([(ENDINGS, paths[0]), (HOSTILE, paths[1]), ("no tune", paths[2])])
    assert results[:2] == [None, None]
    assert isinstance(results[2], ScoreError)
    assert sorted(tmp_path.iterdir()) == paths[:2]
    plain, hostile = (path.read_text(encoding="utf-8") for path in paths[:2])
    assert len(re.findall(">A Reel<", plain)) == 1
    assert all(f'class="{name}' in plain for name in ("clef", "keySig", "meterSig", "tuplet", "ending"))
    assert "&lt;script&gt;" in hostile
    assert "<script" not in hostile
    assert "<img" not in hostile
    assert not re.search(r"<[^>]*\s(on\w+|(xlink:)?href)\s*=\s*['\"][^#]", hostile)
