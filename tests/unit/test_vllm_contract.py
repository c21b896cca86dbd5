"""What vLLM's Transformers modelling backend asks of a model folder, asked here without vLLM.

The demands are those of vLLM 0.33, read in its source: how it makes the model, calls the processor, cuts what comes
back into recordings, encodes them, and runs the language model. Nothing is served.
"""

import importlib
import sys
import tomllib
import types
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import nn
from transformers import AutoConfig, AutoModel, AutoModelForMultimodalLM, AutoProcessor
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

from ossicle.models import save
from ossicle.support.errors import ModelError
from random_bundle import random_bundle

ROOT = Path(__file__).parents[2]
RATE = 16_000


def theirs(module, query, key, value, attention_mask, scaling=None, **kwargs):
    """As vLLM computes attention: causal by itself, whatever mask comes."""
    assert attention_mask is None
    groups = query.shape[1] // key.shape[1]
    key, value = key.repeat_interleave(groups, 1), value.repeat_interleave(groups, 1)
    out = F.scaled_dot_product_attention(query, key, value, is_causal=True, scale=scaling)
    return out.transpose(1, 2).contiguous(), None


class Linear(nn.Module):
    """As their linear layers: a weight, perhaps a bias, no other attributes of torch's."""

    def __init__(self, given):
        super().__init__()
        self.weight, self.bias = given.weight, given.bias

    def forward(self, x):
        return F.linear(x, self.weight, self.bias)


def with_their_layers(module):
    for name, child in module.named_children():
        if isinstance(child, nn.Linear):
            setattr(module, name, Linear(child))
        else:
            with_their_layers(child)


@pytest.fixture(autouse=True)
def attention():
    ALL_ATTENTION_FUNCTIONS.register("vllm", theirs)
    yield
    del ALL_ATTENTION_FUNCTIONS._global_mapping["vllm"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("vllm") / "m"
    save(random_bundle(), folder)
    return folder


def tones(*seconds):
    return [np.sin(np.arange(int(RATE * s)) * (0.05 + 0.02 * n)).astype(np.float32) for n, s in enumerate(seconds)]


def processed(processor, audios):
    """As it calls processors: one placeholder for each recording, where replacements stand, and each alone if they are
    of unlike lengths, as padding would depend on the neighbours."""

    def call(some):
        text = " ".join([processor.audio_token] * len(some))
        return processor(text=text, audio=some, return_text_replacement_offsets=True, return_tensors="pt")

    found = call(audios)
    names = {one for name in processor.feature_extractor.model_input_names for one in (name, f"{name}_mask")}
    if len({len(audio) for audio in audios}) > 1:
        alone = [call([audio]) for audio in audios]
        for name in names & set(found):
            found[name] = [output[name][0] for output in alone]
    said = [entry["replacement"] for entry in found.pop("text_replacement_offsets")[0]]
    ids = [processor.tokenizer.encode(one, add_special_tokens=False) for one in said]
    items = {name: found[name] for name in found if name not in ("input_ids", "attention_mask")}
    assert all(len(rows) == len(audios) for rows in items.values()), "a row for each recording"
    return items, ids


def gathered(rows):
    """Rows of all items as one tensor where they have one shape, else as a list."""
    rows = list(rows)
    return torch.stack(rows) if len({row.shape for row in rows}) == 1 else rows


def embedded(model, items):
    """Each recording's tokens, encoded together or, where the features are a list, one by one."""
    items = {name: gathered(rows) for name, rows in items.items()}
    features = items.pop("input_features")
    if isinstance(features, torch.Tensor):
        return model.get_audio_features(features, return_dict=True, **items).pooler_output
    found = []
    for number, one in enumerate(features):
        given = {name: rows[number : number + 1] for name, rows in items.items()}
        found.append(model.get_audio_features(one.unsqueeze(0), return_dict=True, **given).pooler_output)
    return torch.cat(found)


def backend(folder):
    """The model as it makes it: from the configuration, without a head, with its attention, weights by their names."""
    config = AutoConfig.from_pretrained(folder)
    text = config.get_text_config()
    assert text is not config and config.architectures == ["LALM"]
    text._attn_implementation = "vllm"
    model = AutoModel.from_config(config, dtype=torch.float32, trust_remote_code=False)
    assert model.base_model_prefix == "model" and model._supports_attention_backend
    assert model.get_decoder() is model.language_model
    encoder = model.get_encoder(modality="audio")
    assert encoder is model.audio_tower and type(encoder) is not type(model)
    assert getattr(encoder, "config", None) is None or encoder.config._attn_implementation != "vllm"
    weights = load_file(folder / "model.safetensors")
    assert all(name.startswith(("model.", "lm_head.")) for name in weights)
    own = {name.removeprefix("model."): w for name, w in weights.items() if name.startswith("model.")}
    model.load_state_dict(own, assign=True)
    with_their_layers(model)
    return model.eval()


@pytest.mark.parametrize("seconds", [(1.5,), (2.0, 2.0), (0.7, 3.1), (9.3, 1.0), (9.3, 9.3)], ids=str)
@torch.inference_mode()
def test_the_answer_is_the_models_own(folder, seconds):
    """Recordings of one length, of unlike lengths, longer than a window; in the processor's way and in ours."""
    processor, model = AutoProcessor.from_pretrained(folder), backend(folder)
    items, ids = processed(processor, tones(*seconds))
    x_KD = embedded(model, items)
    assert [len(one) for one in ids] == [processor.feature_extractor.num_tokens(int(RATE * s)) for s in seconds]
    assert len(x_KD) == sum(len(one) for one in ids)
    content = [*({"type": "audio"} for _ in seconds), {"type": "text", "text": "What is this?"}]
    prompt = processor.apply_chat_template([{"role": "user", "content": content}], add_generation_prompt=True)
    whole = processor(text=prompt, audio=tones(*seconds), return_tensors="pt")
    ids_1L = whole["input_ids"]
    x_1LD = model.get_input_embeddings()(ids_1L)
    x_1LD[ids_1L == processor.audio_token_id] = x_KD
    out = model(
        input_ids=None,
        inputs_embeds=x_1LD,
        use_cache=False,
        position_ids=torch.arange(ids_1L.shape[1])[None],
        return_dict=False,
    )
    ours = AutoModelForMultimodalLM.from_pretrained(folder).eval()
    got, wanted = ours.logits(out[0]), ours(**whole).logits
    assert torch.allclose(got, wanted, atol=1e-4 * float(wanted.abs().max()))


def test_room_for_the_longest_recording_is_kept(folder):
    """It tries a recording of ``chunk_length`` seconds and keeps room for ``max_source_positions`` tokens of each."""
    config, processor = AutoConfig.from_pretrained(folder), AutoProcessor.from_pretrained(folder)
    extractor = processor.feature_extractor
    assert extractor.num_tokens(int(extractor.chunk_length * extractor.sampling_rate)) == 25
    assert config.audio_config.max_source_positions == 50
    many = random_bundle(projector={"type": "qformer", "queries": 150, "hidden": 8, "heads": 2, "layers": 1})
    assert many.model.config.audio_config.max_source_positions == 150


def test_the_plug_in_names_the_class_that_runs_it(monkeypatch):
    """By module and name, so that nothing is imported before it is needed; and as often as vLLM likes."""
    registered = []
    fake = types.ModuleType("vllm")
    fake.ModelRegistry = types.SimpleNamespace(register_model=lambda name, cls: registered.append((name, cls)))
    monkeypatch.setitem(sys.modules, "vllm", fake)
    points = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["entry-points"]["vllm.general_plugins"]
    module, name = points["ossicle"].split(":")
    register = getattr(importlib.import_module(module), name)
    register()
    register()
    assert registered == 2 * [
        ("LALM", "vllm.model_executor.models.transformers:TransformersMultiModalForCausalLM"),
    ]


GRANITE = {"type": "granite", "hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1,
           "num_attention_heads": 2, "num_key_value_heads": 1, "logits_scaling": 4.0}  # fmt: skip
MIXTURE = {"type": "qwen3_moe", "hidden_size": 16, "intermediate_size": 32, "moe_intermediate_size": 8, "head_dim": 8,
           "num_hidden_layers": 1, "num_attention_heads": 2, "num_key_value_heads": 1, "num_experts": 2,
           "num_experts_per_tok": 1}  # fmt: skip


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"integration": {"type": "cross_attention"}}, "integration cross_attention does more"),
        ({"integration": {"type": "task_aware", "hidden": 16}}, "integration task_aware does more"),
        ({"language_model": GRANITE}, r"\(granite\) scales its logits by logits_scaling"),
        ({"language_model": MIXTURE}, r"\(qwen3_moe\) is a mixture of experts"),
    ],
)
def test_what_it_would_answer_wrongly_is_refused_when_it_makes_the_model(change, words):
    config = random_bundle(**change).model.config
    config.get_text_config()._attn_implementation = "vllm"
    with torch.device("meta"), pytest.raises(ModelError, match=words):
        AutoModel.from_config(config)
