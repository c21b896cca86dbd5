"""What every projector promises, as checks of its class."""

import itertools

import torch

from ossicle.encoders.base import Frames
from ossicle.projectors.base import Projector
from ossicle.support.checks import Checks, expect, expect_frozen_stay, expect_gradients, expect_instance

CHECKS = Checks()
DIM_IN, DIM_OUT = 32, 24
HEARD = (1, 2, 7, 13, 50)
"""Lengths of which every frame must reach a token."""


def tiny(cls: type[Projector]) -> Projector:
    """The class's tiny instance, with the same weights each time."""
    torch.manual_seed(0)
    return cls.tiny(DIM_IN, DIM_OUT).eval()


def frames(cls: type[Projector], *lengths: int) -> Frames:
    """Noise of these lengths, padded with noise; codes by chance for a class that reads codes."""
    generator = torch.Generator().manual_seed(1)
    size = (len(lengths), max(lengths))
    if cls.reads == "codes":
        return Frames(torch.randint(DIM_IN, (*size, 1), generator=generator), torch.tensor(lengths))
    return Frames(torch.randn(*size, DIM_IN, generator=generator), torch.tensor(lengths))


@CHECKS.promise("tiny() gives a small instance", comes_first=True)
def _tiny(cls: type[Projector]) -> None:
    expect_instance(cls.tiny(DIM_IN, DIM_OUT), cls)


@CHECKS.promise("tokens are counted exactly before they exist")
def _counts(cls: type[Projector]) -> None:
    projector = tiny(cls)
    for num_frames in (*range(1, 25), 1499, 1500):
        tokens = projector(frames(cls, num_frames))
        expected = projector.num_tokens([num_frames])
        expect(expected > 0, f"num_tokens([{num_frames}]) says {expected}; what is heard needs one token at least.")
        expect(
            tokens.lengths_B.tolist() == [expected],
            f"num_tokens([{num_frames}]) says {expected}, and forward's lengths_B {tokens.lengths_B.tolist()}.",
        )
        expect(
            tuple(tokens.x_BFD.shape) == (1, expected, DIM_OUT),
            f"{num_frames} frames: forward gives {tuple(tokens.x_BFD.shape)}, not (1, {expected}, {DIM_OUT}).",
        )


@CHECKS.promise("padding never leaks into a token")
@torch.no_grad()
def _padding(cls: type[Projector]) -> None:
    projector = tiny(cls)
    given = frames(cls, 5, 13, 8)
    poisoned = given.x_BFD.clone()
    for row, length in enumerate(given.lengths_B):
        poisoned[row, length:] = 0 if cls.reads == "codes" else 1e4
    together = projector(Frames(poisoned, given.lengths_B))
    for row, length in enumerate(given.lengths_B.tolist()):
        alone = projector(Frames(given.x_BFD[row : row + 1, :length], torch.tensor([length]))).x_BFD[0]
        gap = float((together.x_BFD[row, : len(alone)] - alone).abs().max())
        expect(
            gap <= 1e-5 * max(1.0, float(alone.abs().max())),
            f"{length} frames beside {max(given.lengths_B.tolist())} give tokens that differ by {gap:.2g}: mask the "
            "padding first.",
        )


@CHECKS.promise("every frame reaches a token")
@torch.no_grad()
def _every_frame(cls: type[Projector]) -> None:
    projector = tiny(cls)
    share = 1500 / projector.num_tokens([1500])
    expect(
        projector.unheard_frames < share,
        f"unheard_frames is {projector.unheard_frames}, which is no less than a token's {share:g} frames.",
    )
    for num_frames in HEARD:
        lost = unheard(projector, frames(cls, num_frames))
        expect(
            longest_run(lost) <= projector.unheard_frames,
            f"{num_frames} frames: the tokens are the same whatever those at {', '.join(map(str, lost))} are; let each "
            "reach a token, with zeros where the last one needs more. (Where upstream leaves some out, unheard_frames "
            "says how many in a row.)",
        )


def unheard(projector: Projector, given: Frames) -> list[int]:
    """Frames of one window that can change without any token's changing."""
    x_FFD = given.x_BFD.repeat(given.x_BFD.shape[1], 1, 1)
    at = torch.arange(len(x_FFD))
    x_FFD[at, at] = (x_FFD[at, at] + 1) % DIM_IN if projector.reads == "codes" else -3 * x_FFD[at, at].flip(-1)
    # One by one, as the same window in another row of a batch may give other last digits.
    tokens = [projector(Frames(x_FD[None], given.lengths_B)).x_BFD for x_FD in (given.x_BFD[0], *x_FFD)]
    return [frame for frame, changed in enumerate(tokens[1:]) if torch.equal(changed, tokens[0])]


def longest_run(numbers: list[int]) -> int:
    """How many of these rising numbers follow each other at most."""
    runs = [list(run) for _, run in itertools.groupby(enumerate(numbers), lambda pair: pair[1] - pair[0])]
    return max(map(len, runs), default=0)


@CHECKS.promise("gradients reach every parameter")
def _gradients(cls: type[Projector]) -> None:
    projector = tiny(cls)
    expect_gradients(projector, lambda: projector(frames(cls, 9)).x_BFD)


@CHECKS.promise("no frozen parameter gets a gradient")
def _frozen(cls: type[Projector]) -> None:
    projector = tiny(cls)
    expect_frozen_stay(projector, lambda: projector(frames(cls, 9)).x_BFD)


@CHECKS.promise("it runs in bfloat16")
def _half(cls: type[Projector]) -> None:
    given = frames(cls, 7, 4)
    x_BFD = given.x_BFD if cls.reads == "codes" else given.x_BFD.bfloat16()
    tokens = tiny(cls).bfloat16()(Frames(x_BFD, given.lengths_B))
    expect(tokens.x_BFD.dtype == torch.bfloat16, f"tokens are {tokens.x_BFD.dtype}, not bfloat16.")


@CHECKS.promise("its options rebuild it")
def _rebuilds(cls: type[Projector]) -> None:
    projector = tiny(cls)
    again = cls.of(cls.Options(**projector.options.model_dump(mode="json")), projector.dims, DIM_OUT).eval()
    again.load_state_dict(projector.state_dict())
    same = torch.allclose(again(frames(cls, 9)).x_BFD, projector(frames(cls, 9)).x_BFD, rtol=1e-4, atol=1e-5)
    expect(same, "built again from its options and given the same weights, it gives other tokens.")
