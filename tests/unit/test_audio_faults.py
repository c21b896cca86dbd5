"""Every kind of bad file is one sentence that names it and the mend; files with odd headers are still whole."""

import io
import os
import struct
import sys

import numpy as np
import pytest
import soundfile

from ossicle.audio import Audio, AudioError
from ossicle.support.errors import OssicleError

RATE = 44100


def noise(num_samples, num_channels=1):
    return np.random.default_rng(7).standard_normal((num_samples, num_channels)) * 0.1


def encoded(file_format, samples=None, rate=RATE, subtype=None, **options):
    buffer = io.BytesIO()
    soundfile.write(
        buffer, noise(3 * RATE) if samples is None else samples, rate, subtype, format=file_format, **options
    )
    return buffer.getvalue()


def with_nan(value, at):
    samples = noise(3 * RATE)
    samples[at] = value
    return encoded("WAV", samples, subtype="FLOAT")


def vbr_mp3(num_samples=4 * RATE):
    """An mp3 whose frames differ in size, so that a guess of its length from its size is wrong."""
    loudness = np.repeat([0.001, 1, 0.01, 1], num_samples // 4)[:, None]
    return encoded("MP3", noise(num_samples) * loudness, bitrate_mode="VARIABLE", compression_level=0.5)


BAD = {  # name -> (file name, bytes, words that the sentence must hold)
    "empty": ("a.wav", b"", "empty"),
    "text": ("a.wav", b"this is a letter, not a sound\n" * 100, "not a recording"),
    "one byte": ("a.mp3", b"R", "not a recording"),
    "truncated flac": ("a.flac", encoded("FLAC")[:90000], "truncated or damaged"),
    "flac cut between frames": ("a.flac", None, "truncated or damaged"),
    "damaged flac": ("a.flac", encoded("FLAC")[:90000] + b"\0" * 9000 + encoded("FLAC")[99000:], "damaged"),
    "no samples wav": ("a.wav", encoded("WAV", noise(0)), "no samples"),
    "no samples flac": ("a.flac", encoded("FLAC")[:86], "no samples|damaged"),
    "no samples ogg": ("a.ogg", encoded("OGG", noise(0)), "no samples|empty|not a recording"),
    "wav header only": ("a.wav", encoded("WAV")[:44], "no samples"),
    "wav cut in its header": ("a.wav", encoded("WAV")[:30], "not a recording"),
    "nan": ("a.wav", with_nan(np.nan, 66150), "NaN or infinite at 1.500 s"),
    "infinity": ("a.wav", with_nan(-np.inf, 2 * RATE), "NaN or infinite at 2.000 s"),
    "beyond float32": ("a.wav", encoded("WAV", np.full((9, 1), 1e300), subtype="DOUBLE"), "infinite at 0.000 s"),
    "jpeg": ("a.jpg", b"\xff\xd8\xff\xe0\0\x10JFIF\0" + bytes(range(256)) * 20, "not a recording"),
    "broken mp4": ("a.m4a", b"\0\0\0\x20ftypM4A " + b"\0" * 500, "damaged"),
    "broken webm": ("a.webm", b"\x1a\x45\xdf\xa3" + b"\x93" * 500, "damaged"),
    "play list": (
        "a.m3u8",
        b"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\nhttp://127.0.0.1:9/a.ts\n",
        "not a recording",
    ),
}


def assert_one_sentence(message, name):
    assert name in message and "\n" not in message and message.endswith(".") and ":" in message.split(name, 1)[1]


@pytest.mark.parametrize("case", BAD)
@pytest.mark.parametrize("held", ["file", "bytes"])
def test_a_bad_recording_is_one_sentence(tmp_path, case, held):
    name, data, words = BAD[case]
    if "mp4" in case or "webm" in case:
        pytest.importorskip("av")
    data = flac_cut_between_frames() if data is None else data
    path = tmp_path / name
    path.write_bytes(data)
    audio = Audio(path) if held == "file" else Audio.from_bytes(data, name=name)
    for use in (lambda: audio.load(16000), lambda: list(audio.stream(16000, 1.0))):
        with pytest.raises(AudioError, match=words) as caught:
            use()
        assert_one_sentence(str(caught.value), name)


def flac_cut_between_frames():
    """A FLAC whose last frames are missing, cut where a frame begins, so that no frame is broken."""
    data = encoded("FLAC")
    starts = [i for i in range(len(data) // 2, len(data) - 1) if data[i] == 0xFF and data[i + 1] == 0xF8]
    return data[: starts[0]]


def test_a_missing_file_names_the_folder_looked_in(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(AudioError, match=r"there is no file door\.wav") as caught:
        Audio("door.wav").load(16000)
    assert str(tmp_path) in str(caught.value)
    (tmp_path / "file").write_text("")
    with pytest.raises(AudioError, match="there is no file"):
        Audio("file/door.wav").load(16000)


def test_a_folder_is_refused(tmp_path):
    with pytest.raises(AudioError, match="is a folder"):
        Audio(tmp_path).load(16000)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes with names here")
def test_a_pipe_is_refused_rather_than_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe.wav")
    with pytest.raises(AudioError, match="pipe"):
        _ = Audio(tmp_path / "pipe.wav").duration_s


@pytest.mark.skipif(getattr(os, "geteuid", lambda: 0)() == 0, reason="root may read everything")
def test_no_permission(tmp_path):
    path = tmp_path / "a.wav"
    path.write_bytes(encoded("WAV"))
    path.chmod(0)
    with pytest.raises(AudioError, match="may not be read"):
        Audio(path).load(16000)


def test_a_refused_file_is_one_sentence_as_root_too(monkeypatch, tmp_path):
    def refuse(*_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("builtins.open", refuse)
    (tmp_path / "a.wav").touch()
    with pytest.raises(AudioError, match="may not be read") as caught:
        Audio(tmp_path / "a.wav").load(16000)
    assert_one_sentence(str(caught.value), "a.wav")


def test_a_clip_before_the_damage_can_be_read():
    audio = Audio.from_bytes(encoded("FLAC")[:90000], name="a.flac")
    assert audio.clip(0, 0.5).load(RATE).shape == (1, RATE // 2)
    broken = Audio.from_bytes(with_nan(np.nan, 2 * RATE), name="a.wav")
    assert broken.clip(0, 2).load(RATE).shape == (1, 2 * RATE)
    with pytest.raises(AudioError, match=r"2\.000 s"):
        broken.clip(1, 3).load(RATE)


def test_a_file_that_shrinks_after_its_header_was_read(tmp_path):
    path = tmp_path / "a.wav"
    path.write_bytes(encoded("WAV"))
    audio = Audio(path)
    assert audio.num_samples(RATE) == 3 * RATE
    path.write_bytes(encoded("WAV", noise(RATE)))
    assert audio.num_samples(RATE) == RATE == audio.load(RATE).shape[1]


@pytest.mark.parametrize(
    "samples", [np.zeros(0), np.zeros((2, 0)), np.zeros((1, 1, 5)), np.array([0, np.nan]), np.ones(5, int)]
)
def test_bad_samples_in_memory(samples):
    with pytest.raises(AudioError):
        Audio.from_samples(samples, 16000)


@pytest.mark.parametrize("rate", [0, -8000, 16000.5, "16000", None, 10**9])
def test_impossible_rates(rate):
    with pytest.raises(AudioError, match="sample rate"):
        Audio.from_samples(np.zeros(5), 8000).load(rate)
    with pytest.raises(AudioError, match="sample rate"):
        Audio.from_samples(np.zeros(5), rate)


def xing_at(data):
    return max(data.find(b"Xing"), data.find(b"Info"))


def renumbered(data):
    """An Ogg file with another serial number, and the checksums that go with it (RFC 3533)."""
    out, at = bytearray(data), 0
    while at < len(out):
        num_segments = out[at + 26]
        end = at + 27 + num_segments + sum(out[at + 27 : at + 27 + num_segments])
        out[at + 14 : at + 18], out[at + 22 : at + 26] = b"ossi", bytes(4)
        crc = 0
        for byte in out[at:end]:
            crc ^= byte << 24
            for _ in range(8):
                crc = (crc << 1 ^ (0x04C11DB7 if crc & 0x80000000 else 0)) & 0xFFFFFFFF
        out[at + 22 : at + 26] = struct.pack("<I", crc)
        at = end
    return bytes(out)


def with_frame_count(data, count):
    at = xing_at(data) + 8
    return data[:at] + struct.pack(">I", count) + data[at + 4 :]


def without_xing(data):
    """The mp3 without its first frame, the one that states the number of frames."""
    return data[data.index(data[:2], 4) :]


@pytest.mark.parametrize(
    "lie",
    [
        lambda data: data,
        lambda data: with_frame_count(data, 20),
        lambda data: with_frame_count(data, 100_000),
        without_xing,
        lambda data: b"ID3\x04\0\0\0\0\x10\0" + b"\0" * 2048 + without_xing(data),
        lambda data: without_xing(data) + b"TAG" + b" " * 125,
    ],
    ids=["true", "too few", "too many", "none", "none behind a tag", "none before a tag"],
)
def test_an_mp3_is_whole_whatever_its_header_says(lie):
    audio = Audio.from_bytes(lie(vbr_mp3()), name="a.mp3")
    samples = audio.load(RATE)
    assert samples.shape == (1, audio.num_samples(RATE))
    assert abs(samples.shape[1] - 4 * RATE) <= 2400  # the encoder's delay and padding, where no header tells them
    loudness = np.abs(samples[0, : 4 * RATE]).reshape(-1, RATE // 4).mean(axis=1)
    assert loudness[-3] > 0.03 and loudness[1] < 0.001
    clip = audio.clip(2.5, 3.5).load(RATE)[0]
    np.testing.assert_allclose(clip, samples[0, round(2.5 * RATE) : round(3.5 * RATE)], atol=1e-6)


@pytest.mark.parametrize("cut", [-1, -300, -700, -5000, -20001])
def test_a_part_of_an_mp3_is_as_long_as_it_is(cut):
    audio = Audio.from_bytes(vbr_mp3()[:cut], name="a.mp3")
    assert RATE < audio.num_samples(RATE) <= 4 * RATE + 2400
    assert audio.load(RATE).shape == (1, audio.num_samples(RATE))


@pytest.mark.parametrize("rate", [8000, 16000, 22050, 32000, 48000])
@pytest.mark.parametrize("num_channels", [1, 2])
def test_mp3_of_every_version(rate, num_channels):
    data = encoded("MP3", noise(rate + 11, num_channels), rate)
    assert Audio.from_bytes(data, name="a.mp3").load(rate).shape == (1, rate + 11)
    counted = Audio.from_bytes(without_xing(data), name="a.mp3")
    assert counted.load(rate).shape == (1, counted.num_samples(rate))
    assert abs(counted.num_samples(rate) - rate) <= 3 * 1152


def test_a_flac_written_to_a_pipe_is_counted():
    data = bytearray(encoded("FLAC"))
    data[21] &= 0xF0
    data[22:26] = bytes(4)  # STREAMINFO: number of samples unknown
    audio = Audio.from_bytes(bytes(data), name="a.flac")
    assert audio.num_samples(RATE) == 3 * RATE
    np.testing.assert_array_equal(audio.load(RATE), Audio.from_bytes(encoded("FLAC"), name="b").load(RATE))
    assert audio.clip(2, 2.5).num_samples(RATE) == RATE // 2
    np.testing.assert_array_equal(audio.clip(2, 2.5).load(RATE), audio.load(RATE)[:, 2 * RATE : 2 * RATE + RATE // 2])


def test_a_wav_written_to_a_pipe_is_whole():
    data = bytearray(encoded("WAV"))
    data[4:8] = data[data.index(b"data") + 4 : data.index(b"data") + 8] = b"\xff\xff\xff\xff"
    assert Audio.from_bytes(bytes(data), name="a.wav").num_samples(RATE) == 3 * RATE


def test_ogg_recordings_chained_in_one_file_are_all_heard():
    pytest.importorskip("av")
    one, other = encoded("OGG", noise(RATE)), encoded("OGG", noise(2 * RATE))
    audio = Audio.from_bytes(one + renumbered(other), name="a.ogg")
    assert audio.duration_s == pytest.approx(3, abs=0.1)


@pytest.mark.parametrize("subtype", ["VORBIS", "OPUS"])
@pytest.mark.parametrize("quiet", [False, True])
def test_clips_of_ogg_are_exact_up_to_its_end(subtype, quiet):
    samples = noise(12 * 48000 + 77, 2) * (1e-5 if quiet else 1)  # when quiet, pages last for seconds
    samples[-9000::100] = 0.5
    audio = Audio.from_bytes(encoded("OGG", samples, 48000, subtype), name="a.ogg")
    whole = audio.load(48000)
    for start in [*range(0, whole.shape[1], 29989), *range(whole.shape[1] - 9, whole.shape[1], 3)]:
        clip = audio.clip(start / 48000, min(start + 1000, whole.shape[1]) / 48000).load(48000)
        np.testing.assert_allclose(clip, whole[:, start : start + 1000], atol=1e-6, rtol=0)


CONTAINERS = {"m4a": ("ipod", "aac", 44100), "mp4": ("mp4", "aac", 48000), "webm": ("webm", "libopus", 48000)}


def contained(suffix, num_samples, num_channels=1):
    av = pytest.importorskip("av")
    container, codec, rate = CONTAINERS[suffix]
    buffer = io.BytesIO()
    layout = "mono" if num_channels == 1 else "stereo"
    with av.open(buffer, "w", format=container) as output:
        stream = output.add_stream(codec, rate=rate, layout=layout)
        seconds = np.arange(num_samples) / rate
        tone = (np.sin(2 * np.pi * 440 * seconds) * 0.5 * (seconds > 1)).astype(np.float32)
        frame = av.AudioFrame.from_ndarray(np.tile(tone, (num_channels, 1)), format="fltp", layout=layout)
        frame.sample_rate, frame.pts = rate, 0  # from which the muxer knows the encoder's delay
        for packet in [*stream.encode(frame), *stream.encode(None)]:
            output.mux(packet)
    return buffer.getvalue()


@pytest.mark.parametrize("suffix", CONTAINERS)
@pytest.mark.parametrize("num_channels", [1, 2])
def test_containers_are_exact(tmp_path, suffix, num_channels):
    rate = CONTAINERS[suffix][2]
    path = tmp_path / f"a.{suffix}"
    path.write_bytes(contained(suffix, 2 * rate + 123, num_channels))
    audio = Audio(path)
    assert (audio.sample_rate, audio.num_channels) == (rate, num_channels)
    samples = audio.load(rate)
    assert samples.shape == (1, audio.num_samples(rate))
    assert abs(samples.shape[1] - 2 * rate) < 3000
    assert abs(int(np.argmax(np.abs(samples[0]) > 0.1)) - rate) < 500  # the tone begins at one second: no delay
    np.testing.assert_array_equal(audio.clip(0.5, 1.5).load(rate), samples[:, rate // 2 : rate // 2 + rate])
    np.testing.assert_array_equal(np.concatenate(list(audio.stream(16000, 0.3)), axis=1), audio.load(16000))


@pytest.mark.parametrize("suffix", CONTAINERS)
def test_half_a_container_is_an_error_or_what_it_holds(suffix):
    data = contained(suffix, 96000)
    audio = Audio.from_bytes(data[: len(data) // 2], name=f"a.{suffix}")
    try:
        assert audio.load(16000).shape == (1, audio.num_samples(16000))
    except AudioError as error:
        assert_one_sentence(str(error), f"a.{suffix}")


@pytest.mark.parametrize("suffix", CONTAINERS)
def test_without_pyav_the_extra_is_named(suffix, monkeypatch):
    data = contained(suffix, 9600)
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(AudioError, match=r"ossicle\[av\]") as caught:
        Audio.from_bytes(data, name=f"a.{suffix}").load(16000)
    assert_one_sentence(str(caught.value), f"a.{suffix}")


@pytest.mark.parametrize("seed", range(30))
def test_random_damage_is_an_error_of_ours_or_sound(seed):
    """No flip of bytes may end in anything but samples of the promised number or one of our sentences."""
    rng = np.random.default_rng(seed)
    kind = ("WAV", "FLAC", "OGG", "MP3")[seed % 4]
    data = bytearray(encoded(kind, noise(9000), 16000))
    for at in rng.integers(0, len(data), 20):
        data[at] = rng.integers(256)
    audio = Audio.from_bytes(bytes(data), name="a.bin")
    try:
        assert audio.load(16000).shape == (1, audio.num_samples(16000))
    except OssicleError as error:
        assert_one_sentence(str(error), "a.bin")
