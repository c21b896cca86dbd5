"""Language models kept in 8 and 4 bits, on a CPU: what is quantised, how far the logits move, what is refused."""

import importlib.util
import sys

import pytest
import test_published as kit
import torch

from ossicle.batch import Batch
from ossicle.chat import Conversation, user
from ossicle.cli import main
from ossicle.models import Local, load_bundle
from ossicle.models.load import load

HAS_LIBRARY = (
    importlib.util.find_spec("bitsandbytes") is not None and importlib.util.find_spec("accelerate") is not None
)
needs_library = pytest.mark.skipif(not HAS_LIBRARY, reason="the extra quant (bitsandbytes) is not installed")
# QLoRA (arXiv 2305.14314), appendix E: the 16 values of NF4.
NF4 = torch.tensor([
    -1.0, -0.6961928009986877, -0.5250730514526367, -0.39491748809814453, -0.28444138169288635, -0.18477343022823334,
    -0.09105003625154495, 0.0, 0.07958029955625534, 0.16093020141124725, 0.24611230194568634, 0.33791524171829224,
    0.44070982933044434, 0.5626170039176941, 0.7229568362236023, 1.0,
])  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A Qwen2-Audio model of random weights, wide enough for blocks of 64 weights."""
    place = tmp_path_factory.mktemp("quant") / "qwen2_audio"
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(kit.TEXT, "hidden_size", 128)
        patch.setitem(kit.TEXT, "intermediate_size", 128)
        kit.published("qwen2_audio", place)
    return place


def through_nf4(weight_OI):
    """Weights as blocks of 64 of NF4 hold them, each block scaled by its largest."""
    blocks_N64 = weight_OI.reshape(-1, 64)
    scale_N1 = blocks_N64.abs().amax(1, keepdim=True)
    nearest_N64 = (blocks_N64 / scale_N1)[..., None].sub(NF4).abs().argmin(-1)
    return (NF4[nearest_N64] * scale_N1).reshape(weight_OI.shape)


def through_int8(rows):
    """Weights, or what they meet, as 8 bits hold them: each row scaled by its largest."""
    scale = rows.abs().amax(-1, keepdim=True) / 127
    return (rows / scale).round() * scale


def logits_of(bundle):
    row = bundle.preparer()(Conversation.of(user(kit.sound(1.0), "What is this?")), reply=True)
    with torch.inference_mode():
        return bundle.model(**Batch.pack([row]).inputs(pad_id=bundle.pad_id)).logits[0]


@needs_library
@pytest.mark.parametrize(("bits", "rounded"), [(8, through_int8), (4, through_nf4)], ids=["8", "4"])
def test_only_the_language_model_is_quantised_and_as_published(folder, bits, rounded):
    bundle, whole = load_bundle(folder, quant=bits), load_bundle(folder)
    kinds = {8: "Linear8bitLt", 4: "Linear4bit"}
    changed = [n for n, m in bundle.model.named_modules() if type(m).__name__ == kinds[bits]]
    linear = [n for n, m in whole.model.model.language_model.named_modules() if isinstance(m, torch.nn.Linear)]
    assert changed == [f"model.language_model.{name}" for name in linear]
    with torch.no_grad():
        for name in linear:
            layer = whole.model.model.language_model.get_submodule(name)
            layer.weight.copy_(rounded(layer.weight))
            if bits == 8:
                layer.register_forward_pre_hook(lambda _, args: (through_int8(args[0]),))
    got, wanted = logits_of(bundle), logits_of(whole)
    # Columns beyond 6 are spared 8 bits, and some CPUs compute 4 bits in bfloat16: neither is imitated here.
    assert (got - wanted).abs().mean() < 0.05 * wanted.abs().mean()
    replies = [Local(bundle, "q").ask(kit.sound(0.5), "?", max_new_tokens=3).text for _ in range(2)]
    assert replies[0] == replies[1]


@needs_library
def test_a_command_asks_it(folder, tmp_path, capfd):
    kit.sound(0.5).save(tmp_path / "clip.wav")
    words = ["ask", str(tmp_path / "clip.wav"), "What?", "--model", str(folder), "--max-new-tokens", "3"]
    assert main([*words, "--quant", "4"]) == 0
    said = capfd.readouterr()
    assert said.out.strip() and said.err in (
        "",
        "note: the answer was cut at the longest allowed; see --max-new-tokens.\n",
    )


def test_without_the_library_the_extra_is_named(folder, tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "bitsandbytes", None)
    kit.sound(0.5).save(tmp_path / "clip.wav")
    assert main(["ask", str(tmp_path / "clip.wav"), "What?", "--model", str(folder), "--quant", "4"]) == 2
    assert capsys.readouterr().err == (
        "error: this needs bitsandbytes, which is not installed: pip install 'ossicle[quant]'.\n"
    )


def test_other_numbers_of_bits_are_refused(folder):
    with pytest.raises(Exception, match="kept in 4 or 8 bits, not in 5") as refused:
        load(str(folder), quant=5)
    assert type(refused.value).__name__ == "ModelError"
