"""Every registered projector keeps the contract; a new one is tested by being there."""

import pytest
import torch

from ossicle.encoders import Frames
from ossicle.projectors import projectors


@pytest.fixture(scope="module", params=projectors.names())
def projector(request):
    torch.manual_seed(0)
    return projectors.get(request.param).tiny(dim_in=32, dim_out=24).eval()


def frames(*lengths: int, longest: int | None = None) -> Frames:
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(len(lengths), longest or max(lengths), 32, generator=generator)
    return Frames(x, torch.tensor(lengths))


@pytest.mark.parametrize("num_frames", range(1, 25))
def test_tokens_are_counted_exactly_before_they_exist(projector, num_frames):
    tokens = projector(frames(num_frames))
    expected = projector.num_tokens([num_frames])
    assert tokens.lengths_B.tolist() == [expected]
    assert tokens.x_BFD.shape == (1, expected, 24)


def test_padding_never_leaks(projector):
    given = frames(5, 13, 8)
    poisoned = given.x_BFD.clone()
    for row, length in enumerate(given.lengths_B):
        poisoned[row, length:] = 1e4
    together = projector(Frames(poisoned, given.lengths_B))
    for row, length in enumerate(given.lengths_B.tolist()):
        alone = projector(Frames(given.x_BFD[row : row + 1, :length], torch.tensor([length]))).x_BFD[0]
        torch.testing.assert_close(together.x_BFD[row, : len(alone)], alone, rtol=1e-5, atol=1e-5)


def test_gradients_reach_every_parameter(projector):
    projector.zero_grad()
    projector(frames(9)).x_BFD.square().sum().backward()
    assert [name for name, p in projector.named_parameters() if p.grad is None] == []


def test_bfloat16(projector):
    half = type(projector).tiny(dim_in=32, dim_out=24).bfloat16()
    given = frames(7, 4)
    tokens = half(Frames(given.x_BFD.bfloat16(), given.lengths_B))
    assert tokens.x_BFD.dtype == torch.bfloat16


def test_options_rebuild_the_projector(projector):
    cls = type(projector)
    again = cls(cls.Options(**projector.options.model_dump(mode="json")), 32, 24)
    again.load_state_dict(projector.state_dict())
    torch.testing.assert_close(again.eval()(frames(9)).x_BFD, projector(frames(9)).x_BFD)
