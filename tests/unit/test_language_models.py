"""Language models of many families, from disk in their makers' layout: their own logits, tied or not, packed or not."""

import copy
import json
import sys

import pytest
import torch
from tokenizers.processors import TemplateProcessing
from transformers import AutoConfig, AutoModelForCausalLM

from ossicle.audio import Audio
from ossicle.batch import Batch
from ossicle.chat import Conversation, Message, assistant, user
from ossicle.models import build, load_bundle, save
from ossicle.models.head import check_logits, said_by
from ossicle.models.integrations._turns import turns_of
from ossicle.support.errors import ModelError
from ossicle.support.hub import reason
from ossicle.support.weights import read_weights
from ossicle.training.objectives import Seen, objectives
from ossicle.training.sharing import takes_any_mask
from random_bundle import SPEC, random_bundle

LLAMA_LIKE = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "max_position_embeddings": 256,
}
OPT = {"hidden_size": 32, "word_embed_proj_dim": 32, "ffn_dim": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
FAMILIES = {
    "llama": {**LLAMA_LIKE, "tie_word_embeddings": False},
    "qwen2": LLAMA_LIKE,
    "qwen3": {**LLAMA_LIKE, "head_dim": 16, "tie_word_embeddings": True},
    "mistral": LLAMA_LIKE,
    "gemma2": {**LLAMA_LIKE, "head_dim": 16, "final_logit_softcapping": 3.0},
    "granite": {**LLAMA_LIKE, "logits_scaling": 8.0, "embedding_multiplier": 12.0},
    "cohere": {**LLAMA_LIKE, "logit_scale": 0.0625},
    "phi": LLAMA_LIKE,
    "gpt2": {"n_embd": 32, "n_layer": 2, "n_head": 2, "n_positions": 256},
    "opt": {**OPT, "max_position_embeddings": 256},
    "gpt_neox": {k: v for k, v in LLAMA_LIKE.items() if k != "num_key_value_heads"},
    "bloom": {"hidden_size": 32, "n_layer": 2, "n_head": 2},
}
SHARING = {"llama", "qwen2", "qwen3", "granite", "cohere", "phi", "gpt2", "gpt_neox", "opt"}
"""Families whose rows are packed; the others fall back to rows of their own."""


@pytest.fixture(scope="module")
def tokenizer():
    return random_bundle().tokenizer


@pytest.fixture(scope="module", params=FAMILIES)
def family(request, tokenizer, tmp_path_factory):
    """(its name, transformers' model, the folder it was saved to, the model composed from that)"""
    name = request.param
    torch.manual_seed(0)
    ids = {"pad_token_id": tokenizer.pad_token_id, "eos_token_id": tokenizer.eos_token_id, "bos_token_id": None}
    config = AutoConfig.for_model(name, vocab_size=len(tokenizer), **FAMILIES[name], **ids)
    theirs = AutoModelForCausalLM.from_config(config).eval()
    with torch.no_grad():
        for parameter in theirs.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.1)
    folder = tmp_path_factory.mktemp("published") / name
    theirs.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    bundle = build({**{k: SPEC[k] for k in ("encoder", "projector")}, "language_model": {"id": str(folder)}})
    bundle.model.eval()
    return name, theirs, bundle


def sound(seconds, seed=0):
    torch.manual_seed(seed)
    return Audio.from_samples(0.1 * torch.randn(round(16_000 * seconds)).numpy(), 16_000)


def rows_of(bundle):
    prepare, one = bundle.preparer(), sound(0.7)
    chats = [
        Conversation.of(user(one, "What is it?"), assistant("A dog.")),
        Conversation.of(user(one, "Is there a bell in it?"), assistant("No, there is no bell.")),
        Conversation.of(user(sound(1.3, 4), "What is it?"), assistant("A bell.")),
    ]
    return [prepare(chat) for chat in chats]


def test_logits_are_transformers_own(family):
    _, theirs, bundle = family
    ids = torch.tensor([bundle.renderer.encode_text("What is this? A dog, a bell, a knock.")])
    with torch.inference_mode():
        ours, wanted = bundle.model(input_ids=ids).logits, theirs(ids).logits
        torch.testing.assert_close(ours[..., : wanted.shape[-1]], wanted, rtol=1e-5, atol=1e-5)


def test_a_batch_is_as_its_rows_and_the_loss_is_theirs(family):
    """Padded rows equal rows alone, and our loss of rows that may share a recording is that of rows apart."""
    name, _, bundle = family
    rows = rows_of(bundle)
    batch = Batch.pack(rows)
    inputs = batch.inputs(pad_id=bundle.pad_id)
    labels = inputs["input_ids"].masked_fill(~batch.trained_mask(), -100)
    with torch.inference_mode():
        together = bundle.model(**inputs, labels=labels)
        for index, row in enumerate(rows):
            alone = bundle.model(**Batch.pack([row]).inputs(pad_id=bundle.pad_id)).logits[0]
            torch.testing.assert_close(together.logits[index, : len(row.ids)], alone, rtol=1e-4, atol=1e-4)
        cls = objectives.get("next_token")
        ours = cls(cls.Options(), bundle)(Seen(bundle.model, batch, bundle.pad_id))["loss"]
    torch.testing.assert_close(ours, together.loss, rtol=1e-4, atol=1e-4)
    assert takes_any_mask(bundle.model.model.language_model) == (name in SHARING)


def test_saved_and_loaded_the_logits_are_the_same(family, tmp_path):
    _, theirs, bundle = family
    save(bundle, tmp_path / "model")
    again = load_bundle(tmp_path / "model")
    ids = torch.tensor([bundle.renderer.encode_text("What is this?")])
    with torch.inference_mode():
        assert torch.equal(again.model(input_ids=ids).logits, bundle.model(input_ids=ids).logits)
    table, head = again.model.get_input_embeddings().weight, again.model.lm_head.weight
    assert (table.data_ptr() == head.data_ptr()) == bool(theirs.config.tie_word_embeddings)


@pytest.mark.parametrize(
    ("family", "integration"),
    [*((name, "prompt") for name in FAMILIES), ("llama", "cross_attention"), ("qwen3", "cross_attention")],
    indirect=["family"],
)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
def test_pretrained_weights_are_read_once_and_become_the_models_own(
    family, tokenizer, dtype, integration, tmp_path, monkeypatch
):
    """Composing takes the memory of the weights, in the type that is asked for: none is copied, none made beside."""
    _, theirs, _ = family
    theirs.save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    read = []

    def watched(*given, **options):
        read.append(read_weights(*given, **options))
        return read[-1]

    def made_beside(*given, **options):
        raise AssertionError("a second language model is made")

    monkeypatch.setattr(sys.modules["ossicle.models.build"], "read_weights", watched)
    monkeypatch.setattr("ossicle.models.lalm.head_of", made_beside)
    monkeypatch.setattr("ossicle.models.lalm.AutoModel.from_config", made_beside)
    spec = {**{k: SPEC[k] for k in ("encoder", "projector")}, "integration": integration}
    model = build({**spec, "language_model": {"id": str(tmp_path)}}, dtype=dtype).model
    (source,) = read
    ours = dict(model.model.language_model.named_parameters())
    for key, parameter in source.base_model.named_parameters():
        assert ours[key] is parameter, f"{key} is a copy"
    assert model.lm_head.weight is source.get_output_embeddings().weight
    assert {parameter.dtype for parameter in model.parameters()} == {dtype}
    assert all(module.training for module in model.modules())
    wanted = theirs.state_dict()
    for key, weight in source.state_dict().items():
        assert torch.equal(weight[: len(wanted[key])], wanted[key].to(dtype)), f"{key} is not as it was saved"


def test_logits_made_in_an_unknown_way_are_refused(family):
    _, theirs, bundle = family
    head = theirs.get_output_embeddings()
    handle = head.register_forward_hook(lambda module, given, out: out * 1.5 + 1)
    try:
        with pytest.raises(ModelError, match=r"in a way that Ossicle does not know: they differ .* by"):
            check_logits(bundle.model, said_by(theirs, bundle.model.config.audio_token_id), "odd")
    finally:
        handle.remove()


def test_code_and_pickles_from_elsewhere_never_run(tokenizer, tmp_path, capfd):
    """Without a question on the terminal, whatever is typed there."""
    strange, pickled = tmp_path / "strange", tmp_path / "pickled"
    tokenizer.save_pretrained(strange)
    facts = {"model_type": "strange", "auto_map": {"AutoConfig": "code.Config", "AutoModelForCausalLM": "code.Model"}}
    (strange / "config.json").write_text(json.dumps(facts))
    (strange / "code.py").write_text("print('it ran')\n")
    tokenizer.save_pretrained(pickled)
    model = AutoModelForCausalLM.from_config(AutoConfig.for_model("llama", vocab_size=99, **LLAMA_LIKE))
    model.config.save_pretrained(pickled)
    torch.save(model.state_dict(), pickled / "pytorch_model.bin")
    for folder, says in ((strange, "code of its own, which Ossicle does not run"), (pickled, "could run code")):
        with pytest.raises(ModelError, match=says):
            build({**SPEC, "language_model": {"id": str(folder)}})
    told = "".join(capfd.readouterr())
    assert "it ran" not in told and "y/N" not in told


def test_why_a_model_cannot_be_had_is_one_sentence():
    said = {
        "We couldn't connect to 'https://hub' to load the files": "give the folder of a downloaded copy",
        "Error no file named model.safetensors found in directory x": "convert them first",
        "x requires you to set `trust_remote_code=True`": "code of its own",
        "Repo id must be in the form 'repo_name' or 'namespace/repo_name': '/x/y/z'.": "there is no such folder",
        "Cannot have -- or .. in repo_id: 'a..b'.": "there is no such folder",
        "Something else.\nWith details.": "Something else.",
    }
    for text, words in said.items():
        assert words in reason(OSError(text)) and "\n" not in reason(OSError(text))
    assert reason(OSError()) == "OSError"


@pytest.mark.parametrize("opens", [False, True], ids=["as GPT-2", "as Llama"])
def test_one_without_a_chat_template_is_asked_in_plain_words(opens, tokenizer, tmp_path):
    config = AutoConfig.for_model("gpt2", vocab_size=len(tokenizer), **FAMILIES["gpt2"])
    AutoModelForCausalLM.from_config(config).save_pretrained(tmp_path)
    plain = copy.deepcopy(tokenizer)
    plain.chat_template = None
    plain.bos_token = "<|system|>"
    if opens:
        begin = ("<|system|>", plain.bos_token_id)
        plain.backend_tokenizer.post_processor = TemplateProcessing("<|system|> $A", special_tokens=[begin])
    plain.save_pretrained(tmp_path)
    integration = {"type": "prompt_adapter", "rank": 2, "hidden": 8, "targets": ["c_attn"]}
    bundle = build({**SPEC, "language_model": {"id": str(tmp_path)}, "integration": integration})
    chat = [Message("system", ("Be brief.",)), user("Is it ", sound(0.3), " a dog?"), assistant("No.")]
    row = bundle.preparer()(Conversation.of(*chat, user("What then?")), reply=True)
    heard = "<|audio|>" * row.audio_tokens[0]
    begins = "<|system|>" if opens else ""
    wanted = f"{begins}Be brief.\nUSER:Is it {heard} a dog?\nASSISTANT:No.<|end|>\nUSER:What then?\nASSISTANT:"
    assert bundle.tokenizer.decode(row.ids) == wanted
    assert bundle.tokenizer.decode([t for t, trained in zip(row.ids, row.trained, strict=True) if trained]) == (
        "No.<|end|>"
    )
    turns = list(turns_of(row.ids, bundle.model.model.integration.options))
    assert [bundle.tokenizer.decode(row.ids[t.asked : t.begun]) for t in turns] == ["\nASSISTANT:"] * 2
