"""What every encoder promises, as checks of its class."""

import itertools

import numpy as np
import torch

from ossicle.encoders.base import Encoder, Frames
from ossicle.support.checks import Checks, expect, expect_frozen_stay, expect_gradients, expect_instance

CHECKS = Checks()
LENGTHS = (
    1,
    2,
    159,
    160,
    161,
    319,
    399,
    400,
    401,
    1279,
    1280,
    1281,
    2559,
    4001,
    7777,
    8000,
    15999,
    16000,
    16001,
    23457,
)
UNEQUAL = (9000, 16000, 401, 23457)
ENDINGS = (8000, 8100, 8319)
"""Lengths with a remainder of 0, 100 and 159 samples beside whole steps of 160."""
LAST = 40
"""Samples at the end that must be heard: fewer may lie where an analysis window is almost zero."""


def tiny(cls: type[Encoder]) -> Encoder:
    """The class's tiny instance, with the same weights each time."""
    torch.manual_seed(0)
    return cls.tiny().eval()


def window(encoder: Encoder, num_samples: int, seed: int = 0) -> np.ndarray:
    """Noise [C, T]."""
    shape = (encoder.channels, num_samples)
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32) * 0.1


def encode(encoder: Encoder, *windows: np.ndarray) -> Frames:
    """One batch of windows."""
    features = [encoder.prepare(samples) for samples in windows]
    lengths = torch.tensor([len(f) for f in features])
    with torch.inference_mode():
        return encoder(torch.nn.utils.rnn.pad_sequence(features, batch_first=True), lengths)


def ends_otherwise(samples_CT: np.ndarray, number: int) -> np.ndarray:
    """The same sound but for its last samples, which are louder and in the opposite order: some encoders hear nothing
    but levels."""
    rest_CT, last_CT = samples_CT[:, :-number], samples_CT[:, -number:]
    return np.concatenate([rest_CT, 3 * last_CT[:, ::-1]], axis=1)


def apart(first: Frames, second: Frames) -> torch.Tensor:
    """By how much the frames [F] of two single windows of one length differ, as a share of the largest value."""
    gap_FD = (first.x_BFD[0] - second.x_BFD[0]).abs()
    return gap_FD.amax(-1) / first.x_BFD.abs().max().clamp(min=1e-6)


@CHECKS.promise("tiny() gives a small instance", comes_first=True)
def _tiny(cls: type[Encoder]) -> None:
    expect_instance(cls.tiny(), cls)


@CHECKS.promise("frames are counted exactly before they exist")
def _counts(cls: type[Encoder]) -> None:
    encoder = tiny(cls)
    for num_samples in LENGTHS:
        expected = encoder.num_frames(num_samples)
        expect(expected > 0, f"num_frames({num_samples}) says {expected}; a sound needs one frame at least.")
        frames = encode(encoder, window(encoder, num_samples))
        expect(
            frames.lengths_B.tolist() == [expected],
            f"num_frames({num_samples}) says {expected}, and forward's lengths_B {frames.lengths_B.tolist()}.",
        )
        expect(
            tuple(frames.x_BFD.shape) == (1, expected, encoder.dim),
            f"{num_samples} samples: forward gives {tuple(frames.x_BFD.shape)}, not (1, {expected}, {encoder.dim}).",
        )
        expect(bool(frames.x_BFD.isfinite().all()), f"{num_samples} samples: frames are not finite.")


@CHECKS.promise("the counts hold for whole windows and for recordings of several")
def _counts_of_windows(cls: type[Encoder]) -> None:
    encoder = tiny(cls)
    longest = encoder.window_samples
    spans = encoder.windows(longest + longest // 3 + 1)
    lengths = sorted({longest, longest - 1, round(0.6 * longest), *(span.num_samples for span in spans)})
    frames = encode(encoder, *(window(encoder, num_samples) for num_samples in lengths))
    for num_samples, found in zip(lengths, frames.lengths_B.tolist(), strict=True):
        expected = encoder.num_frames(num_samples)
        expect(
            found == expected > 0,
            f"num_frames({num_samples}) says {expected}, and forward's lengths_B {found}; window_samples is {longest}.",
        )
    expected = max(map(encoder.num_frames, lengths))
    expect(
        frames.x_BFD.shape[1] == expected,
        f"windows of up to {longest} samples: forward gives {frames.x_BFD.shape[1]} frames, not {expected}.",
    )


@CHECKS.promise("the last samples are heard")
def _last_samples(cls: type[Encoder]) -> None:
    encoder = tiny(cls)
    frame = encoder.window_samples / encoder.num_frames(encoder.window_samples)
    expect(
        encoder.unheard_samples < frame,
        f"unheard_samples is {encoder.unheard_samples}, which is no less than a frame of {frame:g} samples.",
    )
    number = encoder.unheard_samples + LAST
    for num_samples in ENDINGS:
        samples = window(encoder, num_samples)
        gap_F = apart(encode(encoder, samples), encode(encoder, ends_otherwise(samples, number)))
        expect(
            bool((gap_F > 1e-5).any()),
            f"{num_samples} samples: the frames are the same whatever the last {number} are; hear the end of a window, "
            "filled with silence where a frame needs more. (Where upstream leaves some out, unheard_samples says how "
            "many.)",
        )


@CHECKS.promise("every frame depends on what is heard")
def _every_frame(cls: type[Encoder]) -> None:
    encoder = tiny(cls)
    for num_samples in ENDINGS:
        gap_F = apart(encode(encoder, window(encoder, num_samples)), encode(encoder, window(encoder, num_samples, 1)))
        same = (gap_F <= 1e-6).nonzero()[:, 0].tolist()
        expect(
            not same,
            f"{num_samples} samples: of {len(gap_F)} frames, those at {', '.join(map(str, same))} are the same for "
            "another sound; count fewer, or let them hear.",
        )


@CHECKS.promise("a batch gives what each window gives alone")
def _batches(cls: type[Encoder]) -> None:
    encoder = tiny(cls)
    windows = [window(encoder, n, seed) for seed, n in enumerate(UNEQUAL)]
    together = encode(encoder, *windows)
    for row, samples in enumerate(windows):
        alone = encode(encoder, samples).x_BFD[0]
        gap = float((together.x_BFD[row, : len(alone)] - alone).abs().max())
        scale = float(alone.abs().max())
        expect(
            gap <= 1e-4 * max(1.0, scale),
            f"a window of {samples.shape[1]} samples differs by {gap:.2g} beside longer ones: padding leaks into it; "
            "mask it before every layer that mixes frames.",
        )


@CHECKS.promise("windows cover a recording without gap or overlap")
def _windows(cls: type[Encoder]) -> None:
    encoder = tiny(cls)
    for seconds in (0.00007, 0.5, 3.9, 4.0, 4.1, 31.0, 95.3):
        num_samples = max(1, round(seconds * encoder.sample_rate))
        spans = encoder.windows(num_samples)
        covered = spans[0].start == 0 and spans[-1].end == num_samples
        covered = covered and all(a.end == b.start for a, b in itertools.pairwise(spans))
        expect(covered, f"windows({num_samples}) leave out or repeat samples: {spans}.")
        longest = max(span.num_samples for span in spans)
        expect(
            0 < longest <= encoder.window_samples,
            f"windows({num_samples}) has one of {longest} samples; window_samples is {encoder.window_samples}.",
        )


@CHECKS.promise("gradients reach every parameter")
def _gradients(cls: type[Encoder]) -> None:
    encoder = tiny(cls)
    features = encoder.prepare(window(encoder, 16000))
    expect_gradients(encoder, lambda: encoder(features[None], torch.tensor([len(features)])).x_BFD)


@CHECKS.promise("no frozen parameter gets a gradient")
def _frozen(cls: type[Encoder]) -> None:
    encoder = tiny(cls)
    features = encoder.prepare(window(encoder, 16000))
    expect_frozen_stay(encoder, lambda: encoder(features[None], torch.tensor([len(features)])).x_BFD)


@CHECKS.promise("its options rebuild it")
def _rebuilds(cls: type[Encoder]) -> None:
    encoder = tiny(cls)
    again = cls(cls.Options(**encoder.options.model_dump(mode="json"))).eval()
    again.load_state_dict(encoder.state_dict())
    samples = window(encoder, 8000)
    same = torch.allclose(encode(again, samples).x_BFD, encode(encoder, samples).x_BFD, rtol=1e-4, atol=1e-5)
    expect(same, "built again from its options and given the same weights, it hears something else.")


@CHECKS.promise("it runs in bfloat16")
def _half(cls: type[Encoder]) -> None:
    encoder = tiny(cls)
    features = encoder.prepare(window(encoder, 8000))[None].bfloat16()
    with torch.inference_mode():
        frames = encoder.bfloat16()(features, torch.tensor([features.shape[1]]))
    expect(frames.x_BFD.dtype == torch.bfloat16, f"frames are {frames.x_BFD.dtype}, not bfloat16.")
    expect(bool(frames.x_BFD.isfinite().all()), "frames are not finite in bfloat16.")


@CHECKS.promise("silence is finite")
def _silence(cls: type[Encoder]) -> None:
    encoder = tiny(cls)
    frames = encode(encoder, np.zeros((encoder.channels, 8000), np.float32))
    expect(bool(frames.x_BFD.isfinite().all()), "silence gives frames that are not finite; add a floor.")
