"""What each projector is chosen for; the contract that all keep is in conformance."""

import pytest
import torch

from ossicle.encoders import Frames, encoders
from ossicle.projectors import projectors
from ossicle.projectors.segment import segments
from ossicle.spec import build_options
from ossicle.support.errors import SpecError
from random_bundle import random_bundle


def frames(num_frames: int, seed: int = 0) -> Frames:
    generator = torch.Generator().manual_seed(seed)
    return Frames(torch.randn(1, num_frames, 32, generator=generator), torch.tensor([num_frames]))


def test_stretches_of_alike_frames_are_found():
    directions = torch.eye(4)
    sound = torch.cat([directions[[0]].expand(5, 4), directions[[1]].expand(2, 4), directions[[2]].expand(5, 4)])
    found = segments(sound[None], torch.tensor([12]), torch.tensor([3]))
    assert found[0].tolist() == [0] * 5 + [1] * 2 + [2] * 5


def test_more_stretches_than_changes_and_padding():
    still = torch.ones(2, 6, 4)
    found = segments(still, torch.tensor([6, 2]), torch.tensor([3, 1]))
    assert found[0].unique().tolist() == [0, 1, 2]
    assert found[1].tolist() == [0, 0, 3, 3, 3, 3]


def test_a_stretch_is_its_mean():
    projector = projectors.get("segment")(projectors.get("segment").Options(stride=4), 4, 4)
    torch.nn.init.eye_(projector.proj.weight)
    torch.nn.init.zeros_(projector.proj.bias)
    x = torch.tensor([[[1.0, 0, 0, 0], [3.0, 0, 0, 0], [0, 2.0, 0, 0], [0, 2.0, 0, 0], [0, 5.0, 0, 0]]])
    tokens = projector(Frames(x, torch.tensor([5]))).x_BFD
    torch.testing.assert_close(tokens, torch.tensor([[[2.0, 0, 0, 0], [0, 3.0, 0, 0]]]))


def wide(name: str):
    """A tiny one whose attention is not almost even, as it is before any training."""
    torch.manual_seed(0)
    projector = projectors.get(name).tiny().eval()
    with torch.no_grad():
        for parameter in projector.parameters():
            if parameter.ndim > 1:
                parameter.mul_(8.0)
    return projector


@pytest.mark.parametrize("name", ["qformer", "perceiver"])
def test_queries_know_what_came_first(name):
    projector = wide(name)
    given = frames(9)
    swapped = Frames(given.x_BFD.flip(1), given.lengths_B)
    assert not torch.allclose(projector(given).x_BFD, projector(swapped).x_BFD, atol=1e-4)


def test_a_query_for_every_third_of_a_second():
    """SALMONN's numbers: 1500 frames in stretches of 17; its 88 leave out the last four frames."""
    projector = projectors.get("window_qformer")
    options = projector.Options()
    assert (options.stretch, options.queries, options.layers, options.hidden) == (17, 1, 2, 768)
    small = projector(projector.Options(hidden=32, heads=2), 32, 24)
    assert small.num_tokens([1500]) == 89
    assert small.num_tokens([1496]) == 88


def test_a_stretch_does_not_know_its_neighbours():
    projector = wide("window_qformer")
    given = frames(9)
    changed = given.x_BFD.clone()
    changed[:, 3:6] = frames(3, seed=1).x_BFD
    before, after = projector(given).x_BFD, projector(Frames(changed, given.lengths_B)).x_BFD
    torch.testing.assert_close(before[:, [0, 1, 4, 5]], after[:, [0, 1, 4, 5]])
    assert not torch.allclose(before[:, 2:4], after[:, 2:4], atol=1e-4)


@pytest.mark.parametrize("name", ["qformer", "perceiver"])
def test_heads_must_divide_the_width(name):
    with pytest.raises(SpecError, match="multiple of heads"):
        build_options(projectors, {"type": name, "hidden": 30, "heads": 4}, "model.projector")


def test_the_aggregator_needs_levels_and_uses_every_one():
    cls = projectors.get("aggregator")
    with pytest.raises(SpecError, match="one level of features"):
        cls.of(cls.Options(), (32,), 24)
    projector = wide("aggregator")
    given = frames(9)
    before = projector(given).x_BFD
    for level in (slice(0, 8), slice(8, 16), slice(16, 32)):
        changed = given.x_BFD.clone()
        changed[..., level] = frames(9, seed=1).x_BFD[..., level]
        assert not torch.allclose(projector(Frames(changed, given.lengths_B)).x_BFD, before, atol=1e-3)


def test_the_aggregator_reads_the_levels_of_an_encoder():
    small = encoders.get("hubert").tiny()
    levels = {"type": "layers", "encoder": {"type": "hubert", **small.options.model_dump(mode="json")}}
    bundle = random_bundle(
        encoder={**levels, "levels": [1, 2], "join": "side_by_side"}, projector={"type": "aggregator", "heads": 2}
    )
    assert bundle.model.model.multi_modal_projector.dims == (32, 32)


def test_what_is_found_among_words_is_a_blend_of_them():
    """Two words of which one is found surely: its value comes out."""
    cls = projectors.get("cross_attention")
    projector = cls(cls.Options(stride=2, heads=1, words=2), 4, 4)
    words_VD = torch.tensor([[30.0, 0, 0, 0], [0, 30.0, 0, 0]])
    projector.meet(words_VD)
    for linear in (projector.q_proj, projector.k_proj, projector.v_proj, projector.o_proj):
        torch.nn.init.eye_(linear.weight)
        torch.nn.init.zeros_(linear.bias)
    torch.nn.init.zeros_(projector.conv.bias)
    with torch.no_grad():
        projector.conv.weight.copy_(torch.eye(4)[:, :, None].expand(4, 4, 2))
    x = torch.tensor([[[0.0, 5.0, 0, 0], [0, 5.0, 0, 0], [5.0, 0, 0, 0]]])
    tokens = projector(Frames(x, torch.tensor([3])))
    torch.testing.assert_close(tokens.x_BFD[0], words_VD[[1, 0]])


def test_words_are_those_of_the_language_model_and_stay():
    """Spread over the whole table; saved with the projector; trained by nobody."""
    spec = {"type": "cross_attention", "stride": 2, "heads": 2, "words": 9}
    bundle = random_bundle(projector=spec)
    projector, table = bundle.model.model.multi_modal_projector, bundle.model.get_input_embeddings().weight
    at = [i * len(table) // 9 for i in range(9)]
    torch.testing.assert_close(projector.words_VD * 8.0, table[at])  # random_bundle widens matrices afterwards
    assert "words_VD" in projector.state_dict() and "words_VD" not in dict(projector.named_parameters())
    few = projectors.get("cross_attention").tiny()
    few.meet(torch.arange(3.0)[:, None].expand(3, 24))
    assert few.words_VD[:, 0].tolist() == [i % 3 for i in range(50)]


def test_tokens_of_a_transformer_know_what_comes_later():
    projector = projectors.get("transformer").tiny().eval()
    given = frames(8)
    changed = given.x_BFD.clone()
    changed[:, 6:] *= -1.0  # adding to all would be lost in the norm
    assert not torch.allclose(
        projector(given).x_BFD[:, 0], projector(Frames(changed, given.lengths_B)).x_BFD[:, 0], atol=1e-4
    )
