"""Granite Speech, of random weights: the adapter that it brings, its language model's factors, long recordings."""

import json

import pytest
import torch
from safetensors.torch import load_file, save_file
from test_published import published, sound, without_processor
from transformers import AutoModelForCausalLM, AutoTokenizer, GraniteSpeechForConditionalGeneration

from ossicle.batch import Batch
from ossicle.chat import Conversation, Sampling, user
from ossicle.models import Local, load_bundle
from ossicle.models.adapters import CONFIG, WEIGHTS, merge_adapter
from ossicle.models.build import export
from ossicle.models.folders import weights_of
from ossicle.models.published import take_apart
from ossicle.support.errors import ModelError

LAYERS = ("self_attn.q_proj", "self_attn.v_proj")


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    folder = tmp_path_factory.mktemp("granite") / "plain"
    return published("granite_speech", folder), folder


@pytest.fixture
def adapted(plain, tmp_path):
    """The folder of a model that hears through a LoRA adapter, as the published ones are laid out."""
    for file in plain[1].iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    edit(tmp_path / "config.json", has_lora_adapter=True)
    torch.manual_seed(9)
    tensors = {}
    for number in range(2):
        for layer in LAYERS:
            name = f"base_model.model.model.language_model.layers.{number}.{layer}"
            out = 32 if "q_proj" in layer else 16
            tensors[f"{name}.lora_A.weight"] = torch.randn(4, 32)
            tensors[f"{name}.lora_B.weight"] = 0.3 * torch.randn(out, 4)
    save_file(tensors, tmp_path / WEIGHTS, metadata={"format": "pt"})
    described = {"peft_type": "LORA", "r": 4, "lora_alpha": 8, "target_modules": "model.language_model.*(q|v)_proj"}
    (tmp_path / CONFIG).write_text(json.dumps({**described, "base_model_name_or_path": "nobody/nothing"}))
    return tmp_path


def edit(file, **changes):
    file.write_text(json.dumps({**json.loads(file.read_text()), **changes}))


def logits(model, inputs):
    with torch.inference_mode():
        return model(**inputs).logits[0]


def ours_and_inputs(folder, audio):
    bundle = load_bundle(folder)
    row = bundle.preparer()(Conversation.of(user(audio, "What?")), reply=True)
    inputs = without_processor(bundle, folder, row.ids, audio)
    return bundle, logits(bundle.model, Batch.pack([row]).inputs(pad_id=bundle.pad_id)), inputs


def test_logits_and_replies_are_transformers_own_and_long_recordings_are_heard_whole(plain):
    theirs, folder = plain
    for seconds in (0.41, 62.0):
        audio = sound(seconds, 4)
        bundle, ours, inputs = ours_and_inputs(folder, audio)
        torch.testing.assert_close(ours, logits(theirs, inputs), rtol=1e-5, atol=1e-5)
        begun = inputs["input_ids"].shape[1]
        out = theirs.generate(**inputs, max_new_tokens=8, do_sample=False)[0, begun:]
        (reply,) = Local(bundle, "ours").generate([Conversation.of(user(audio, "What?"))], Sampling(max_new_tokens=8))
        assert reply.text == bundle.renderer.decode(out.tolist()).strip()
        frames = (round(seconds * 16_000) // 160 + 1) // 2
        assert reply.audio_tokens == (-(-frames // 15) * 3,)


def test_several_unequal_recordings_at_once_are_each_heard_as_alone(plain):
    _, folder = plain
    bundle = load_bundle(folder)
    chats = [Conversation.of(user(sound(s, n), "What?")) for n, s in enumerate((0.3, 5.2, 1.9))]
    lm = Local(bundle, "ours", recall_bytes=0)
    one_by_one = [lm.generate([chat], Sampling(max_new_tokens=6))[0].text for chat in chats]
    assert [reply.text for reply in lm.generate(chats, Sampling(max_new_tokens=6))] == one_by_one


def test_logits_are_divided_as_the_language_model_does(plain, tmp_path):
    """Transformers' Granite Speech leaves out the division by logits_scaling that its Granite has; so the most likely
    token is the same, and how likely it is differs. Ours are those that the language model was trained with."""
    theirs, folder = plain
    for file in folder.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    text = json.loads((folder / "config.json").read_text())["text_config"]
    edit(tmp_path / "config.json", text_config={**text, "logits_scaling": 8.0})
    bundle, ours, inputs = ours_and_inputs(tmp_path, sound(0.7))
    torch.testing.assert_close(8.0 * ours, logits(theirs, inputs), rtol=1e-5, atol=1e-5)
    granite = AutoModelForCausalLM.from_config(bundle.model.config.text_config).eval()
    granite.model.load_state_dict(theirs.model.language_model.state_dict())
    granite.lm_head.load_state_dict(theirs.lm_head.state_dict())
    ids = {"input_ids": torch.tensor([[5, 6, 7, 8]])}
    torch.testing.assert_close(logits(bundle.model, ids), logits(granite, ids), rtol=1e-5, atol=1e-5)


def test_the_adapter_is_heard_through_and_given_back_as_part_of_the_weights(adapted, plain, tmp_path_factory):
    theirs = GraniteSpeechForConditionalGeneration.from_pretrained(adapted).eval()  # by peft, which switches it on
    assert theirs._hf_peft_config_loaded
    bundle, ours, inputs = ours_and_inputs(adapted, sound(0.9, 2))
    torch.testing.assert_close(ours, logits(theirs, inputs), rtol=1e-5, atol=1e-5)
    assert (logits(plain[0], inputs) - ours).abs().max() > 1e-2
    back = tmp_path_factory.mktemp("back") / "granite"
    export(bundle, back)
    again = GraniteSpeechForConditionalGeneration.from_pretrained(back).eval()
    assert not again.config.has_lora_adapter
    torch.testing.assert_close(ours, logits(again, inputs), rtol=1e-5, atol=1e-5)
    assert AutoTokenizer.from_pretrained(back).chat_template == bundle.tokenizer.chat_template


def test_a_scale_of_its_own_and_a_stabilised_one_are_those_of_peft(adapted):
    edit(adapted / CONFIG, use_rslora=True, alpha_pattern={"v_proj": 2})
    theirs = GraniteSpeechForConditionalGeneration.from_pretrained(adapted).eval()
    _, ours, inputs = ours_and_inputs(adapted, sound(0.5))
    torch.testing.assert_close(ours, logits(theirs, inputs), rtol=1e-4, atol=1e-4)  # merged rounds otherwise


def test_the_adapter_is_one_of_the_weights_that_a_recipe_names(adapted):
    with_it = weights_of(adapted)
    (adapted / WEIGHTS).unlink()
    assert weights_of(adapted) != with_it


def test_adapters_that_cannot_be_added_are_named(adapted):
    tensors = load_file(adapted / WEIGHTS)
    (adapted / WEIGHTS).write_bytes((adapted / WEIGHTS).read_bytes()[:-9])
    with pytest.raises(ModelError, match=r"adapter_model\.safetensors is damaged or cut short"):
        take_apart(adapted)
    save_file({**tensors, "lora_magnitude": torch.ones(1)}, adapted / WEIGHTS)
    with pytest.raises(ModelError, match="more than plain LoRA"):
        take_apart(adapted)
    name = "base_model.model.model.language_model.layers.7.self_attn.q_proj.lora"
    save_file({f"{name}_A.weight": torch.ones(2, 32), f"{name}_B.weight": torch.ones(32, 2)}, adapted / WEIGHTS)
    with pytest.raises(ModelError, match=r"belongs to another: nothing here fits .*layers\.7\.self_attn\.q_proj"):
        take_apart(adapted)
    (adapted / WEIGHTS).unlink()
    torch.save(tensors, adapted / "adapter_model.bin")
    with pytest.raises(ModelError, match=r"adapter_model\.safetensors is missing; copy it again"):
        take_apart(adapted)


def test_missing_weights_are_named_though_there_is_an_adapter(adapted):
    weights = load_file(adapted / "model.safetensors")
    lost = next(name for name in weights if name.endswith("out_mid.weight"))
    save_file({name: x for name, x in weights.items() if name != lost}, adapted / "model.safetensors", {"format": "pt"})
    with pytest.raises(ModelError, match=r"no tensor .*out_mid\.weight"):
        take_apart(adapted)


def test_layers_are_told_apart_by_whole_names(tmp_path):
    trunk = torch.nn.ModuleDict({"layers": torch.nn.ModuleList([torch.nn.Linear(2, 2, bias=False) for _ in range(12)])})
    before = [layer.weight.clone() for layer in trunk["layers"]]
    pair = {"x.layers.1.lora_A.weight": torch.ones(1, 2), "x.layers.1.lora_B.weight": torch.ones(2, 1)}
    save_file(pair, tmp_path / WEIGHTS)
    (tmp_path / CONFIG).write_text('{"r": 1, "lora_alpha": 3}')
    assert merge_adapter(trunk, tmp_path) == 1
    changes = [layer.weight - was for layer, was in zip(trunk["layers"], before, strict=True)]
    assert [bool(change.any()) for change in changes] == [number == 1 for number in range(12)]
    torch.testing.assert_close(changes[1], torch.full((2, 2), 3.0))
