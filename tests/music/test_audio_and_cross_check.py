"""Audio of MIDI files, and the second reader that every MIDI file is checked against."""

import os
from importlib.util import find_spec
from pathlib import Path

import pytest

from hf_scaling.music import audio
from hf_scaling.music.audio import Audio, AudioError, audio_is_missing, midi_to_audio
from hf_scaling.music.cross_check import CrossCheck, cross_check
from hf_scaling.music.midi import tunes_to_midi
from hf_scaling.notation import check, pitches, plain

HEAD = "X:1\nT:A Reel\nM:4/4\nL:1/8\nQ:1/4=120\nK:D\n"
PLAIN = HEAD + "D8|F8:|E8|G8:|\n"
ORNATE = HEAD + '|:{B}D2 {AB}TE2 "G"HG2 ~F2|1 [FA]4 ^c2 =cc:|2 cc (3cde !fermata!d4|]\n'


def _without(*packages: str) -> pytest.MarkDecorator:
    absent = [package for package in packages if find_spec(package) is None]
    return pytest.mark.skipif(
        bool(absent) and not os.environ.get("HF_SCALING_REQUIRE_ALL"), reason=f"not installed: {', '.join(absent)}"
    )


def test_plain_notes_sound_as_before_but_for_graces_and_say_every_accidental() -> None:
    shown = plain(ORNATE)
    assert shown == HEAD + "|:D2 E2 G2 F2|1 [FA]4 ^c2 =c=c:|2 cc (3cde d4|]\n"
    assert check(shown).strict
    graces = {"B", "AB"}
    assert pitches(shown) == pitches(ORNATE.replace("{B}", "").replace("{AB}", ""))
    assert not any(f"{{{grace}}}" in shown for grace in graces)


@_without("symusic")
def test_a_second_reader_hears_the_same_notes_for_the_same_time(tmp_path: Path) -> None:
    tunes = [(PLAIN, tmp_path / "plain.mid"), (ORNATE, tmp_path / "ornate.mid")]
    tunes_to_midi(tunes)
    assert cross_check(tunes) == [
        CrossCheck(True, "same length, same pitches", 16.0, 8),
        CrossCheck(True, "same length, same pitches", 8.0, 19),
    ]


@_without("symusic")
def test_a_difference_is_told(tmp_path: Path) -> None:
    tunes_to_midi([(PLAIN, tmp_path / "a.mid")])
    other = [PLAIN.replace("G8", "A8"), PLAIN.replace("G8", "G4"), PLAIN.replace("E8", "E4E4")]
    found = cross_check([*((abc, tmp_path / "a.mid") for abc in other), (PLAIN, tmp_path / "none.mid")])
    assert [one.agrees for one in found] == [False, False, False, None]
    assert found[0].message == "2 notes have another pitch, the first of them note 6"
    assert found[1].message == "16.00 s here, 14.00 s there"
    assert found[2].message == "8 notes here, 10 there"
    assert "none.mid" in found[3].message


@_without("midirenderer", "pretty_midi", "soundfile")
def test_audio_sounds_as_long_as_the_tune(tmp_path: Path) -> None:
    import numpy as np
    import soundfile

    (midi,) = tunes_to_midi([(PLAIN.replace("1/4=120", "1/4=480"), tmp_path / "a.mid")])
    (tmp_path / "no.mid").write_text("no MIDI")
    results = midi_to_audio([(tmp_path / "a.mid", tmp_path / "a.opus"), (tmp_path / "no.mid", tmp_path / "no.opus")])
    assert isinstance(results[1], AudioError)
    samples, rate = soundfile.read(tmp_path / "a.opus")
    assert soundfile.info(tmp_path / "a.opus").subtype == "OPUS"
    assert isinstance(results[0], Audio)
    assert len(samples) / rate == pytest.approx(results[0].seconds, abs=0.01)
    assert midi.seconds <= results[0].seconds < midi.seconds + 1
    thirds = np.array_split(samples, 3)
    assert all(0.02 < np.sqrt((third**2).mean()) < 0.9 for third in thirds)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.mid", "a.opus", "no.mid"]


def test_what_is_missing_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audio, "_PACKAGES", ("midirenderer", "no_such_package"))
    assert "no_such_package" in str(audio_is_missing())
    (result,) = midi_to_audio([(tmp_path / "a.mid", tmp_path / "a.opus")])
    assert "pip install 'hf_scaling[audio]'" in str(result)
