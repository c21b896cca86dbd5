"""A recording inside a larger file is that recording, and nothing around it is heard."""

import hashlib
import pickle

import numpy as np
import pytest
import soundfile

from ossicle.audio import Audio, AudioError

FORMATS = {
    "wav": ("wav", "PCM_16", 44100),
    "flac": ("flac", "PCM_24", 44100),
    "mp3": ("mp3", None, 44100),
    "vorbis": ("ogg", "VORBIS", 44100),
    "opus": ("ogg", "OPUS", 48000),
}
BEFORE, AFTER = b"RIFF junk OggS \xff\xfb\x90" * 40, b"ID3 more OggS junk \xff\xfb\x90" * 40


def write(path, suffix, subtype, rate, seconds=1.5):
    samples = 0.1 * np.random.default_rng(1).standard_normal((round(rate * seconds) + 77, 2))
    alone = path / f"alone.{suffix}"
    soundfile.write(alone, samples, rate, subtype=subtype)
    data = alone.read_bytes()
    (path / "whole.bin").write_bytes(BEFORE + data + AFTER)
    return Audio(alone), Audio.from_part(path / "whole.bin", len(BEFORE), len(data), name=f"a/b.{suffix}")


@pytest.fixture(params=FORMATS)
def pair(request, tmp_path):
    """The same recording as a file of its own and as a part of another."""
    return write(tmp_path, *FORMATS[request.param])


def test_a_part_gives_the_samples_of_the_file_it_was(pair):
    alone, part = pair
    assert (part.sample_rate, part.num_channels, part.duration_s) == (
        alone.sample_rate,
        alone.num_channels,
        alone.duration_s,
    )
    assert np.array_equal(part.load(16_000, channels="all"), alone.load(16_000, channels="all"))
    span = (0.31, 1.07)
    assert np.array_equal(part.clip(*span).load(alone.sample_rate), alone.clip(*span).load(alone.sample_rate))
    assert np.array_equal(np.concatenate(list(part.stream(16_000, 0.4)), axis=1), alone.load(16_000))


def test_a_part_is_known_by_its_bytes_and_named_by_its_place(pair):
    alone, part = pair
    assert part.digest == alone.digest == hashlib.sha256(alone.path.read_bytes()).hexdigest()
    assert part.name == f"b.{alone.path.suffix[1:]}" and part.path is None
    again = pickle.loads(pickle.dumps(part))
    assert again == part and hash(again) == hash(part) and again.clip(0.0, 0.5) != part
    assert part != Audio.from_part(alone.path, 0, part.content.num_bytes, name="a/b.wav")


def test_m4a_inside_another_file(tmp_path):
    av = pytest.importorskip("av")
    with av.open(str(tmp_path / "alone.m4a"), "w") as out:
        stream = out.add_stream("aac", rate=16_000, layout="mono")
        tone = (0.2 * np.sin(np.arange(16_000) / 20)).astype(np.float32)[None]
        frame = av.AudioFrame.from_ndarray(tone, format="fltp", layout="mono")
        frame.sample_rate = 16_000
        for packet in (*stream.encode(frame), *stream.encode(None)):
            out.mux(packet)
    data = (tmp_path / "alone.m4a").read_bytes()
    (tmp_path / "whole.bin").write_bytes(BEFORE + data + AFTER)
    part = Audio.from_part(tmp_path / "whole.bin", len(BEFORE), len(data), name="a.m4a")
    assert np.array_equal(part.load(16_000), Audio(tmp_path / "alone.m4a").load(16_000))


def test_what_is_wrong_with_a_part_is_one_sentence(tmp_path):
    _, part = write(tmp_path, "flac", "PCM_16", 16_000)
    whole = tmp_path / "whole.bin"
    assert part.duration_s > 1.5
    data = whole.read_bytes()
    cases = [
        (data[: len(BEFORE) + 500], "whole.bin ends before a/b.flac does"),
        (BEFORE + bytes(part.content.num_bytes) + AFTER, "whole.bin/a/b.flac is not a recording in a format known"),
    ]
    for changed, says in cases:
        whole.write_bytes(changed)
        with pytest.raises(AudioError, match=says) as caught:
            part.load(16_000)
        assert "\n" not in str(caught.value)
    whole.unlink()
    with pytest.raises(AudioError, match=r"there is no file .*whole\.bin"):
        part.load(16_000)
    with pytest.raises(AudioError, match="is empty"):
        whole.write_bytes(data)
        Audio.from_part(whole, 3, 0, name="none.wav").load(16_000)


def test_many_parts_leave_no_file_open(tmp_path):
    _, part = write(tmp_path, "wav", "PCM_16", 8_000, seconds=0.2)
    for number in range(2_000):
        piece = Audio.from_part(part.content.path, part.content.offset, part.content.num_bytes, name=f"{number}.wav")
        assert piece.duration_s > 0.2
    assert piece.load(8_000).shape[1] == piece.num_samples(8_000)
