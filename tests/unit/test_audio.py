"""Audio: exact lengths at every rate, channels, clips, streaming, identity, saving."""

import pickle
import subprocess
import sys

import numpy as np
import pytest
import soundfile
import soxr
from hypothesis import given, settings
from hypothesis import strategies as st

from ossicle.audio import Audio, AudioError, num_resampled

RATES = (8000, 11025, 16000, 22050, 24000, 32000, 44100, 48000, 96000, 192000)
FORMATS = {  # name -> suffix, libsndfile subtype, a rate it takes
    "wav": ("wav", "PCM_16", 44100),
    "wav float": ("wav", "FLOAT", 22050),
    "flac": ("flac", "PCM_24", 44100),
    "mp3": ("mp3", None, 44100),
    "vorbis": ("ogg", "VORBIS", 44100),
    "opus": ("ogg", "OPUS", 48000),
}


def noise(num_samples, num_channels=1, seed=0):
    return (np.random.default_rng(seed).standard_normal((num_channels, num_samples)) * 0.1).astype(np.float32)


def write(path, samples_CT, sample_rate, subtype=None):
    soundfile.write(path, samples_CT.T, sample_rate, subtype=subtype)
    return Audio(path)


@pytest.fixture(params=FORMATS)
def recording(request, tmp_path):
    """Three seconds and an odd rest, two channels, in each format."""
    suffix, subtype, rate = FORMATS[request.param]
    return write(tmp_path / f"a.{suffix}", noise(3 * rate + 77, 2), rate, subtype)


@given(st.integers(1, 30000), st.sampled_from(RATES), st.sampled_from(RATES), st.integers(1, 3))
@settings(max_examples=150, deadline=None)
def test_the_length_is_known_before_decoding(num_samples, rate_in, rate_out, num_channels):
    audio = Audio.from_samples(noise(num_samples, num_channels), rate_in, key="x")
    promised = audio.num_samples(rate_out)
    loaded = audio.load(rate_out, channels="all")
    assert loaded.shape == (num_channels, promised)
    assert promised == num_resampled(num_samples, rate_in, rate_out) == -(-num_samples * rate_out // rate_in) >= 1
    assert loaded.dtype == np.float32 and loaded.flags.c_contiguous and loaded.flags.writeable


@given(st.integers(2, 9000), st.sampled_from(RATES), st.sampled_from(RATES), st.data())
@settings(max_examples=100, deadline=None)
def test_clips_keep_the_length_contract(num_samples, rate_in, rate_out, data):
    audio = Audio.from_samples(noise(num_samples), rate_in, key="x")
    first = data.draw(st.integers(0, num_samples - 1))
    last = data.draw(st.integers(first + 1, num_samples))
    clip = audio.clip(first / rate_in, last / rate_in)
    assert clip.num_samples(rate_in) == last - first
    assert clip.load(rate_out).shape == (1, clip.num_samples(rate_out))
    np.testing.assert_array_equal(clip.load(rate_in), audio.load(rate_in)[:, first:last])


@pytest.mark.parametrize("rate", [8000, 16000, 44100, 48000])
def test_every_format_loads_at_its_promised_length(recording, rate):
    assert recording.load(rate).shape == (1, recording.num_samples(rate))
    assert recording.duration_s == recording.num_samples(recording.sample_rate) / recording.sample_rate
    assert recording.num_channels == 2


def test_a_clip_is_what_the_whole_holds_there(recording):
    rate = recording.sample_rate
    whole = recording.load(rate, channels="all")
    for start_s, end_s in ((0.0, 0.5), (1.7, 2.3), (2.9, None), (3.0, 3.0007)):
        first, last = round(start_s * rate), None if end_s is None else round(end_s * rate)
        clip = recording.clip(start_s, end_s).load(rate, channels="all")
        np.testing.assert_allclose(clip, whole[:, first:last], atol=1e-6, rtol=0)


@pytest.mark.parametrize("block_s", [0.013, 0.5, 10.0])
def test_the_stream_is_what_load_gives_bit_for_bit(recording, block_s):
    blocks = list(recording.stream(16000, block_s))
    assert all(block.shape == (1, round(block_s * 16000)) for block in blocks[:-1])
    assert all(block.dtype == np.float32 and block.flags.c_contiguous for block in blocks)
    np.testing.assert_array_equal(np.concatenate(blocks, axis=1), recording.load(16000))


@given(st.integers(1, 200000), st.sampled_from(RATES), st.sampled_from(RATES), st.floats(0.001, 3))
@settings(max_examples=40, deadline=None)
def test_the_stream_of_any_length_is_what_load_gives(num_samples, rate_in, rate_out, block_s):
    audio = Audio.from_samples(noise(num_samples, 2), rate_in, key="x")
    joined = np.concatenate(list(audio.stream(rate_out, block_s)), axis=1)
    np.testing.assert_array_equal(joined, audio.load(rate_out))


@pytest.mark.parametrize(("rate_in", "rate_out"), [(44100, 16000), (8000, 16000), (192000, 16000), (16000, 44100)])
def test_resampling_is_soxr_high_quality(rate_in, rate_out):
    samples = noise(rate_in + 13)
    found = Audio.from_samples(samples, rate_in).load(rate_out)[0]
    golden = soxr.resample(samples[0], rate_in, rate_out, quality="HQ")
    np.testing.assert_array_equal(found[: len(golden)], golden[: len(found)])
    assert 0 <= len(found) - len(golden) <= 1


def test_a_tone_keeps_its_pitch_level_and_place():
    tone = np.sin(2 * np.pi * 440 * np.arange(44100) / 44100)
    found = Audio.from_samples(tone, 44100).load(16000)[0]
    wanted = np.sin(2 * np.pi * 440 * np.arange(16000) / 16000)
    np.testing.assert_allclose(found[500:-500], wanted[500:-500], atol=1e-4)


def test_channels_are_chosen_not_dropped():
    samples = noise(1000, 8)
    audio = Audio.from_samples(samples, 16000)
    np.testing.assert_array_equal(audio.load(16000, channels="all"), samples)
    np.testing.assert_array_equal(audio.load(16000, channels=(5, 0)), samples[[5, 0]])
    np.testing.assert_allclose(audio.load(16000), samples.mean(axis=0, keepdims=True), atol=1e-7)


@pytest.mark.parametrize("channels", [(2,), (-1,), (0, 9), ()])
def test_channels_that_are_not_there_are_refused(channels):
    with pytest.raises(AudioError, match="channels 0 to 1"):
        Audio.from_samples(noise(10, 2), 16000).load(16000, channels=channels)


def test_192_khz_and_8_channels(tmp_path):
    audio = write(tmp_path / "a.wav", noise(19201, 8), 192000, "PCM_24")
    assert audio.load(16000).shape == (1, 1601)
    assert audio.load(16000, channels="all").shape == (8, 1601)


@pytest.mark.parametrize("rate_out", RATES)
def test_one_sample_is_a_recording(tmp_path, rate_out):
    audio = write(tmp_path / "a.wav", np.full((1, 1), 0.5, np.float32), 44100, "FLOAT")
    assert audio.load(rate_out).shape == (1, audio.num_samples(rate_out))
    assert audio.load(44100)[0, 0] == 0.5


def test_silence_is_a_recording(tmp_path):
    assert not write(tmp_path / "a.wav", np.zeros((1, 800), np.float32), 8000).load(16000).any()


def test_nothing_is_read_until_it_is_needed():
    audio = Audio("not/there.wav").clip(1, 2)
    assert audio.name == "there.wav" and hash(audio) == hash(Audio("not/there.wav").clip(1, 2))
    with pytest.raises(AudioError):
        _ = audio.duration_s


def test_clips_of_clips_count_from_their_own_start():
    audio = Audio.from_samples(noise(16000), 16000)
    assert audio.clip(0.25, 0.75).clip(0.1, 0.2) == Audio(audio.content, 0.35, 0.45)
    np.testing.assert_array_equal(
        audio.clip(0.25, 0.75).clip(0.1).load(16000), audio.load(16000)[:, round(0.35 * 16000) : 12000]
    )


@pytest.mark.parametrize(("start", "end"), [(-0.1, 1), (0.5, 0.5), (0.6, 0.5), (float("nan"), 1), (0, float("nan"))])
def test_impossible_clips_are_refused_at_once(start, end):
    with pytest.raises(AudioError, match="0 <= start < end"):
        Audio("a.wav").clip(start, end)


@pytest.mark.parametrize(("start", "end"), [(1.0, None), (0.5, 1.2), (2.0, 3.0)])
def test_clips_beyond_the_end_are_refused_when_used(start, end):
    audio = Audio.from_samples(noise(16000), 16000)
    with pytest.raises(AudioError, match=r"lasts 1(\.000)? s"):
        audio.clip(start, end).load(16000)
    with pytest.raises(AudioError, match="lasts 1 s"):
        audio.clip(0, 1).clip(start, end).load(16000)


def test_an_end_rounded_up_in_a_label_is_the_end():
    assert Audio.from_samples(noise(15990), 16000).clip(0.5, 1.0).num_samples(16000) == 7990


def test_identity_is_of_value(tmp_path):
    one, two = (write(tmp_path / name, noise(100), 8000) for name in ("a.wav", "b.wav"))
    assert one == Audio(str(tmp_path / "a.wav")) and one != two and one.digest == two.digest
    assert one.clip(0, 0.01) != one and one.clip(0, 0.01).digest != one.digest
    held = Audio.from_bytes((tmp_path / "a.wav").read_bytes(), name="upload.wav")
    assert held.digest == one.digest and held == Audio.from_bytes((tmp_path / "b.wav").read_bytes(), name="x")
    np.testing.assert_array_equal(held.load(16000), one.load(16000))
    a, b, c = (Audio.from_samples(noise(50, seed=seed), 8000) for seed in (1, 1, 2))
    assert a == b and hash(a) == hash(b) and a != c and a.digest != c.digest
    assert a != Audio.from_samples(noise(50, seed=1), 16000)
    keyed = Audio.from_samples(noise(50, seed=1), 8000, key="plan 1")
    assert keyed == Audio.from_samples(noise(50, seed=2), 8000, key="plan 1") and keyed != a
    assert len({one.digest, a.digest, c.digest, keyed.digest}) == 4 and len(keyed.digest) == 64


def test_a_digest_is_the_same_everywhere():
    audio = Audio.from_samples(np.array([0.0, 0.5, -0.25]), 8000)
    assert audio.digest == "2d480beaff263d790f1082a1de622aade74ab11d35e83d51bcf4c56f486bf5b2"


def test_the_samples_given_stay_the_callers():
    samples = noise(10)
    audio = Audio.from_samples(samples, 8000)
    samples[:] = 0
    loaded = audio.load(8000)
    assert loaded.any()
    loaded[:] = 0
    assert audio.load(8000).any()


def test_every_kind_survives_pickling(recording):
    path = recording.path
    for audio in (
        recording,
        recording.clip(0.5, 1),
        Audio.from_bytes(path.read_bytes()),
        Audio.from_samples(noise(9), 8000),
    ):
        before = audio.load(16000)
        copy = pickle.loads(pickle.dumps(audio))
        assert copy == audio and copy.digest == audio.digest
        np.testing.assert_array_equal(copy.load(16000), before)


def test_frozen():
    with pytest.raises(AttributeError):
        Audio("a.wav").start_s = 1.0


@pytest.mark.parametrize(("suffix", "exact"), [("wav", 0), ("flac", 2**-23)])
def test_saving_keeps_the_sound(tmp_path, suffix, exact):
    samples = noise(70001, 3)
    saved = Audio.from_samples(samples, 22050).save(tmp_path / "new" / f"a.{suffix}")
    assert (saved.sample_rate, saved.num_channels) == (22050, 3)
    np.testing.assert_allclose(saved.load(22050, channels="all"), samples, atol=exact, rtol=0)
    clip = saved.clip(1, 2).save(tmp_path / f"clip.{suffix}")
    np.testing.assert_allclose(clip.load(22050, channels="all"), samples[:, 22050:44100], atol=exact, rtol=0)


def test_a_failed_save_leaves_the_old_file(tmp_path):
    old = Audio.from_samples(noise(100), 8000).save(tmp_path / "a.flac")
    before = old.path.read_bytes()
    with pytest.raises(AudioError, match="beyond 1"):
        Audio.from_samples(np.full(100, 1.5), 8000).save(tmp_path / "a.flac")
    with pytest.raises(AudioError, match=r"\.flac or \.wav"):
        old.save(tmp_path / "a.xyz")
    assert old.path.read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["a.flac"]


_MEMORY = """
import resource, sys
from ossicle.audio import Audio
for path in sys.argv[1:]:
    audio = Audio(path)
    for span in (audio, audio.clip(audio.duration_s - 5.0)):
        assert sum(block.shape[1] for block in span.stream(16000, 10.0)) == span.num_samples(16000)
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="the resource module is of Unix")
def test_an_hour_takes_no_more_memory_than_ten_seconds(tmp_path):
    for seconds in (10, 3600):
        with soundfile.SoundFile(tmp_path / f"{seconds}.wav", "w", 8000, 2, "PCM_16") as file:
            for _ in range(seconds // 10):
                file.write(np.zeros((80000, 2), np.int16))
    command = [sys.executable, "-c", _MEMORY, tmp_path / "10.wav", tmp_path / "3600.wav"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    peaks = [int(line) for line in done.stdout.split()]
    unit = 1 if sys.platform == "darwin" else 1024  # bytes per unit of ru_maxrss
    assert (peaks[1] - peaks[0]) * unit < 10e6


def test_real_recordings_hold_their_promise(shared_data):
    files = sorted(path for path in shared_data.rglob("*") if path.suffix in {".wav", ".flac", ".ogg", ".mp3"})
    assert files
    for path in files[:: max(1, len(files) // 60)]:
        audio = Audio(path)
        assert audio.load(16000).shape == (1, audio.num_samples(16000))
