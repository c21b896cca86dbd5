"""What each projector is chosen for; the contract that all keep is in conformance."""

import pytest
import torch

from ossicle.encoders import Frames, encoders
from ossicle.projectors import projectors
from ossicle.projectors._conformance import unheard
from ossicle.projectors.conv import prime_factors
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


@pytest.mark.parametrize("stride", [1, 2, 3, 4, 5, 7, 8, 12, 17])
def test_convolutions_of_any_stride_hear_every_frame(stride):
    cls = projectors.get("conv")
    projector = cls(cls.Options(stride=stride, hidden=6), 32, 5).eval()
    for num_frames in (1, stride, stride + 1, 40):
        given = frames(num_frames)
        with torch.no_grad():
            tokens = projector(given)
            lost = unheard(projector, given)
        assert tokens.x_BFD.shape[1] == int(tokens.lengths_B) == projector.num_tokens([num_frames])
        assert projector.num_tokens([num_frames]) == -(-num_frames // stride)
        assert lost == []


def test_the_convolutions_are_those_of_wavllm_and_blsp():
    """WavLLM: two of width 3; BLSP: three of width 5; each doubles its outputs for the gates, and a bottleneck of 512
    follows."""
    cls = projectors.get("conv")
    with torch.device("meta"):
        wavllm = cls(cls.Options(stride=4, hidden=1024, bottleneck=512), 1280, 2048)
        blsp = cls(cls.Options(stride=8, kernel=5, bottleneck=512), 1280, 4096)
    assert [tuple(one.conv.weight.shape) for one in wavllm.convs] == [(2048, 1280, 3), (2048, 1024, 3)]
    assert [tuple(one.conv.weight.shape) for one in blsp.convs] == [(2560, 1280, 5)] * 3
    assert tuple(wavllm.bottleneck.down.weight.shape) == (512, 1024)
    assert wavllm.num_tokens([1500]) == 375 and blsp.num_tokens([1500]) == 188
    assert prime_factors(360) == [2, 2, 2, 3, 3, 5] and prime_factors(1) == []


def test_a_gate_lets_half_of_what_is_convolved_through():
    """A kernel that picks its middle frame, and gates of one half for what is loud."""
    cls = projectors.get("conv")
    projector = cls(cls.Options(stride=2), 1, 1)
    with torch.no_grad():
        for parameter in projector.parameters():
            parameter.zero_()
        projector.convs[0].conv.weight[0, 0, 1] = 1.0
        projector.proj.weight.fill_(1.0)
        tokens = projector(Frames(torch.tensor([[[2.0], [4.0], [6.0], [8.0], [9.0]]]), torch.tensor([4])))
    assert tokens.x_BFD[0, :2, 0].tolist() == [1.0, 3.0] and tokens.lengths_B.tolist() == [2]


def test_tokens_of_several_projectors_come_one_after_the_other():
    """In a batch of unequal lengths, too, where none may stand behind another's padding."""
    cls = projectors.get("concat")
    queries = {"type": "qformer", "queries": 2, "hidden": 32, "heads": 2}
    projector = cls(cls.Options(projectors=({"type": "pool", "stride": 3}, queries)), (32,), 24).eval()
    long, short = frames(10), frames(4, seed=1)
    x_BFD = torch.nn.utils.rnn.pad_sequence([long.x_BFD[0], short.x_BFD[0]], batch_first=True)
    tokens = projector(Frames(x_BFD, torch.tensor([10, 4])))
    assert tokens.lengths_B.tolist() == [6, 4] == [projector.num_tokens([10]), projector.num_tokens([4])]
    for row, given, means in ((0, long, 4), (1, short, 2)):
        first, second = (one(given).x_BFD[0] for one in projector.projectors)
        assert (len(first), len(second)) == (means, 2)
        torch.testing.assert_close(tokens.x_BFD[row, : means + 2], torch.cat([first, second]), rtol=1e-4, atol=1e-5)
    assert projector.options.projectors[1]["cross_every"] == 1, "options are written out"


@pytest.mark.parametrize(
    ("inner", "words"),
    [
        ({"type": "pol"}, r"model\.projector\.projectors\.1: there is no projector 'pol'\. Did you mean 'pool'"),
        ({"type": "pool", "strid": 2}, r"model\.projector\.projectors\.1 \(pool\): strid: unknown key"),
        ({"type": "codes"}, r"projectors\.1: codes reads codes, and those beside it frames"),
        ({"stride": 2}, r"model\.projector\.projectors\.1: expected a projector"),
    ],
)
def test_a_projector_beside_others_that_does_not_fit_is_named(inner, words):
    with pytest.raises(SpecError, match=words):
        build_options(projectors, {"type": "concat", "projectors": [{"type": "pool"}, inner]}, "model.projector")


def test_the_words_are_shown_to_each_of_several_projectors():
    beside = [{"type": "pool", "stride": 4}, {"type": "cross_attention", "stride": 2, "heads": 2, "words": 9}]
    bundle = random_bundle(projector={"type": "concat", "projectors": beside})
    table = bundle.model.get_input_embeddings().weight
    words = bundle.model.model.multi_modal_projector.projectors[1].words_VD
    torch.testing.assert_close(words * 8.0, table[[i * len(table) // 9 for i in range(9)]])


def test_each_encoder_has_an_adapter_of_its_own():
    """Each hears its own features alone, and the matrix joins what they make of the same moments."""
    cls = projectors.get("each")
    options = cls.Options(projector={"type": "conv", "stride": 4, "hidden": 8, "bottleneck": 4}, width=6)
    projector = cls.of(options, (20, 12), 5).eval()
    given = frames(10)
    parts = [
        one(Frames(x_BFD, given.lengths_B)).x_BFD
        for one, x_BFD in zip(projector.projectors, given.x_BFD.split([20, 12], -1), strict=True)
    ]
    assert [tuple(part.shape) for part in parts] == [(1, 3, 6)] * 2 and projector.num_tokens([10]) == 3
    torch.testing.assert_close(projector(given).x_BFD, projector.proj(torch.cat(parts, -1)))
    assert projector.options.projector["kernel"] == 3, "options are written out"


def test_adapters_of_two_encoders_are_those_of_wavllm():
    with torch.device("meta"):
        projector = projectors.get("each").reference(1280, 4096)
    assert [tuple(one.proj.weight.shape) for one in projector.projectors] == [(2048, 1024)] * 2
    assert [tuple(one.bottleneck.down.weight.shape) for one in projector.projectors] == [(512, 1024)] * 2
    assert tuple(projector.proj.weight.shape) == (4096, 4096) and projector.num_tokens([1500]) == 375


@pytest.mark.parametrize(
    ("inner", "words"),
    [
        ({"type": "pol"}, r"model\.projector\.projector: there is no projector 'pol'\. Did you mean 'pool'"),
        ({"type": "pool", "strid": 2}, r"model\.projector\.projector \(pool\): strid: unknown key"),
        ({"type": "codes"}, r"projector: codes reads codes, and encoders beside others give frames"),
        ({"type": "cross_attention"}, r"projector: cross_attention makes whole tokens, like words"),
    ],
)
def test_a_projector_for_each_that_does_not_fit_is_named(inner, words):
    with pytest.raises(SpecError, match=words):
        build_options(projectors, {"type": "each", "projector": inner}, "model.projector")


def rotary(dim=32, **sizes):
    cls = projectors.get("transformer")
    torch.manual_seed(0)
    options = {"layers": 2, "heads": 2, "feed_forward": 16, "positions": "rotary", **sizes}
    return cls(cls.Options(**options), dim, 24).eval()


def test_a_layer_of_rotary_positions_is_attention_between_turned_queries_and_keys():
    """Worked out for one head of width 8, of which 4 are turned: by t and by t / 64, as 4096^(-1/2) = 1/64."""
    layer, x_FD = rotary(8, layers=1, heads=1).layers.layers[0], frames(5).x_BFD[0, :, :8]
    q_FD, k_FD, v_FD = (layer.norm1(x_FD) @ layer.self_attn.in_proj_weight.T + layer.self_attn.in_proj_bias).chunk(3, 1)

    def turned(x_FD):
        rows = []
        for t, x in enumerate(x_FD):
            pairs = [
                torch.complex(x[i], x[i + 2]) * torch.polar(torch.ones(()), torch.tensor(t / 64.0**i)) for i in (0, 1)
            ]
            rows.append(torch.cat([torch.stack([p.real for p in pairs]), torch.stack([p.imag for p in pairs]), x[4:]]))
        return torch.stack(rows)

    found = (turned(q_FD) @ turned(k_FD).T / 8**0.5).softmax(-1) @ v_FD
    x_FD = x_FD + layer.self_attn.out_proj(found)
    wanted = x_FD + layer.linear2(torch.nn.functional.gelu(layer.linear1(layer.norm2(x_FD))))
    torch.testing.assert_close(layer(frames(5).x_BFD[:, :, :8])[0], wanted)


def test_rotary_positions_tell_what_came_first_and_hide_what_is_padding():
    projector = rotary()
    with torch.no_grad():
        for parameter in projector.parameters():
            if parameter.ndim > 1:
                parameter.mul_(4.0)
        given = frames(9)
        flipped = Frames(given.x_BFD.flip(1), given.lengths_B)
        assert not torch.allclose(projector(given).x_BFD, projector(flipped).x_BFD.flip(1), atol=1e-3)
        noisy = torch.cat([given.x_BFD, 1e4 * torch.ones(1, 3, 32)], 1)
        padded = projector(Frames(noisy, given.lengths_B)).x_BFD[:, :9]
        torch.testing.assert_close(padded, projector(given).x_BFD, rtol=1e-4, atol=1e-4)
        whole = projector(given).x_BFD
        torch.testing.assert_close(projector.train()(given).x_BFD, whole, rtol=1e-4, atol=1e-5)
        with torch.autocast("cpu", torch.bfloat16):
            torch.testing.assert_close(projector(given).x_BFD.float(), whole, rtol=0.1, atol=0.1)
        half = projector.bfloat16()(Frames(given.x_BFD.bfloat16(), given.lengths_B)).x_BFD
    torch.testing.assert_close(half.float(), whole, rtol=0.1, atol=0.1)


def test_positions_leave_the_weights_as_they_are_named():
    plain, turned = rotary(positions="sinusoids"), rotary()
    assert plain.state_dict().keys() == turned.state_dict().keys()
    with pytest.raises(SpecError, match="4 times 3 heads must divide the frames' width 30"):
        rotary(30, heads=3)
