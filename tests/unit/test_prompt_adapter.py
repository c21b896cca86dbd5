"""A prompt adapter: nothing changes before it learns, each question sets the strength of its turn, and no later one."""

import copy

import pytest
import torch
from test_integrations import FAMILIES, checkpointing_of, inputs_of, sound
from transformers import AutoModelForCausalLM

from ossicle.batch import Batch
from ossicle.chat import Conversation, Message, Sampling, assistant, user
from ossicle.chat.tokenizer import train_tokenizer
from ossicle.models import Local, build
from ossicle.models import build as build_module
from ossicle.models.integrations._turns import TurnOptions, turns_of
from ossicle.models.integrations.prompt_adapter import Gate
from ossicle.support.errors import ModelError, SpecError
from ossicle.training.objectives import Seen, objectives
from random_bundle import SPEC, random_bundle

SMALL = {"type": "prompt_adapter", "rank": 2, "hidden": 8}
TARGETS = {
    "phi": ["q_proj", "dense"],
    "opt": ["q_proj", "out_proj"],
    "gpt2": ["c_attn"],
    "gpt_neox": ["query_key_value", "dense"],
}
TEXTS = ["Some text."] * 20


@pytest.fixture(scope="module")
def bundle():
    return random_bundle(integration=SMALL)


def strengths(bundle, *messages, side="right", beside=()):
    """Of each token of a conversation, batched with others on their ``side``: [L, W]."""
    prepare = bundle.preparer()
    chats = [Conversation.of(*messages), *beside]
    batch = Batch.pack([prepare(chat, reply=chat.messages[-1].role == "user") for chat in chats])
    inputs = batch.inputs(pad_id=bundle.pad_id, side=side)
    model = bundle.model.model
    with torch.inference_mode():
        found, _ = model.integration._strengths(model, inputs["input_ids"], None, None)
    length = len(batch.rows[0].ids)
    return found[0, :length] if side == "right" else found[0, -length:]


@pytest.mark.parametrize("name", FAMILIES)
def test_before_the_first_step_it_is_the_language_model_to_the_last_bit(name):
    spec = {"type": name, **FAMILIES[name]}
    integration = {**SMALL, "targets": TARGETS.get(name, ["q_proj", "k_proj", "v_proj", "o_proj"])}
    bundle = build({**SPEC, "language_model": spec, "integration": integration}, TEXTS)
    bundle.model.eval()
    inputs = inputs_of(bundle, Conversation.of(user(sound(1.0), "What is it?"), assistant("A dog.")))
    text = AutoModelForCausalLM.from_config(bundle.model.config.text_config).eval()
    text.base_model.load_state_dict(bundle.model.model.language_model.state_dict())
    text.get_output_embeddings().load_state_dict(bundle.model.lm_head.state_dict())
    model, mixed = bundle.model, {k: v for k, v in inputs.items() if k not in ("input_ids", "attention_mask")}
    with torch.inference_mode():
        heard = model.model.encode(mixed["input_features"], mixed["feature_lengths"]).x_BFD[0]
        embedded = model.model.embed(inputs["input_ids"], heard)
        theirs = text(inputs_embeds=embedded, attention_mask=inputs["attention_mask"]).logits
        assert torch.equal(model(**inputs).logits, theirs)
        for parameter_name, parameter in model.model.integration.named_parameters():
            if parameter_name.startswith("adapters.") and parameter_name.endswith(".up"):
                parameter.fill_(0.3)
        assert not torch.equal(model(**inputs).logits, theirs)
        assert torch.equal(text(inputs_embeds=embedded, attention_mask=inputs["attention_mask"]).logits, theirs)


def test_adapters_of_strength_one_are_pefts():
    """With the gate as it begins, ``W x + B A x``: LoRA of ``alpha = rank``."""
    from peft import LoraConfig, inject_adapter_in_model

    bundle = build({**SPEC, "integration": SMALL}, TEXTS)
    bundle.model.eval()
    adapters = bundle.model.model.integration.adapters
    with torch.no_grad():
        for name, parameter in adapters.named_parameters():
            if name.endswith("up"):
                parameter.normal_()
    inputs = inputs_of(bundle, Conversation.of(user("What is it?"), assistant("A dog.")))
    text = AutoModelForCausalLM.from_config(bundle.model.config.text_config).eval()
    text.base_model.load_state_dict(bundle.model.model.language_model.state_dict())
    text.get_output_embeddings().load_state_dict(bundle.model.lm_head.state_dict())
    inject_adapter_in_model(
        LoraConfig(r=2, lora_alpha=2, target_modules=["q_proj", "k_proj", "v_proj", "o_proj"]), text
    )
    with torch.inference_mode():
        for module in adapters.values():
            for layer, adapter in module.items():
                theirs = text.base_model.get_submodule(f"{module.name}.{layer}")
                theirs.lora_A["default"].weight.copy_(adapter.down)
                theirs.lora_B["default"].weight.copy_(adapter.up)
        torch.testing.assert_close(bundle.model(**inputs).logits, text.eval()(**inputs).logits)


def test_the_strength_is_the_one_of_the_formula():
    torch.manual_seed(0)
    gate = Gate(8, 4, 6, 3.0)
    assert torch.equal(gate(torch.randn(2, 3, 8), torch.ones(2, 3, dtype=torch.bool)), torch.ones(2, 6))
    with torch.no_grad():
        gate.up.normal_(0, 20)
        gate.bias.normal_()
    h_QPD, is_word_QP = torch.randn(2, 3, 8), torch.tensor([[True, True, True], [True, True, False]])
    found = gate(h_QPD, is_word_QP)
    for question, count in enumerate((3, 2)):
        s = [gate.up @ torch.nn.functional.gelu(gate.inner(h)) + gate.bias for h in h_QPD[question, :count]]
        a = torch.stack([gate.attention.weight[0] @ one for one in s]).softmax(0)
        wanted = sum(w * one for w, one in zip(a, s, strict=True)).relu().clamp(max=3)
        torch.testing.assert_close(found[question], wanted)
    assert (found == 0).any() and (found == 3).any()
    nothing = gate(h_QPD, torch.zeros(2, 3, dtype=torch.bool))
    torch.testing.assert_close(nothing, gate.bias.clamp(0, 3).expand(2, -1))


def test_a_question_sets_the_strength_of_its_turn_and_a_later_one_changes_nothing(bundle):
    one = sound(1.0)
    dog, bell = (strengths(bundle, user(one, text)) for text in ("Is it a dog?", "Is it a bell?"))
    assert torch.equal(dog, dog[:1].expand_as(dog)), "one turn, one strength"
    assert (dog[0] - bell[0]).abs().max() > 1e-2
    told = strengths(bundle, user(one, "Is it a dog?"), assistant("No, a bell."))
    torch.testing.assert_close(told[: len(dog)], dog)
    torch.testing.assert_close(told[-1], dog[0])
    more = strengths(bundle, user(one, "Is it a dog?"), assistant("No, a bell."), user("Is it a bell?"))
    torch.testing.assert_close(more[: len(told)], told)
    torch.testing.assert_close(more[-1], strengths(bundle, user("Is it a bell?"))[0])
    system = strengths(bundle, Message("system", ("Be brief.",)), user(one, "Is it a dog?"))
    assert (system[-1] - dog[0]).abs().max() > 1e-3, "what the system says is a part of the first question"


@pytest.mark.parametrize("side", ["left", "right"])
def test_padding_and_neighbours_change_no_strength(bundle, side):
    beside = [Conversation.of(user(sound(2.0, 1), "How many times, and when does it begin?"), assistant("Twice."))]
    messages = user(sound(1.0), "Is it a dog?"), assistant("No."), user("What then?")
    torch.testing.assert_close(strengths(bundle, *messages, side=side, beside=beside), strengths(bundle, *messages))


def test_a_cached_conversation_goes_on_with_several_tokens_and_a_new_question(bundle):
    prepare = bundle.preparer()
    first = [user("Is it a dog?"), assistant("No, it is a bell.")]
    told = prepare(Conversation.of(*first))
    more = prepare(Conversation.of(*first, user("Which bell is it?")), reply=True)
    cut = len(told.ids) - 3  # in the middle of the reply
    ids = torch.tensor([more.ids])
    with torch.inference_mode():
        whole = bundle.model(input_ids=ids).logits[0, cut:]
        cache = bundle.model(input_ids=ids[:, :cut], use_cache=True).past_key_values
        rest = bundle.model(input_ids=ids[:, cut:], past_key_values=cache).logits[0]
    torch.testing.assert_close(rest, whole, rtol=1e-4, atol=1e-4)


def test_every_part_learns_once_the_adapters_are_open(bundle):
    row = bundle.preparer()(Conversation.of(user(sound(1.0), "What?"), assistant("A dog.")))
    objective = objectives.get("next_token")(objectives.get("next_token").Options(), bundle)
    bundle.model.zero_grad()
    objective(Seen(bundle.model, Batch.pack([row]), bundle.pad_id))["loss"].backward()
    integration = bundle.model.model.integration
    assert all(p.grad is not None and p.grad.abs().max() > 0 for p in integration.parameters())
    parts = bundle.model.parts()
    assert set(map(id, parts["prompt_adapter"].parameters())) == set(map(id, integration.gate.parameters()))
    assert set(map(id, integration.adapters.parameters())) < set(map(id, parts["projector"].parameters()))
    assert not set(map(id, parts["prompt_adapter"].parameters())) & set(map(id, parts["projector"].parameters()))


def test_language_model_weights_learn_in_low_precision_though_they_also_read_the_question():
    """What autocast keeps of a pass without gradients would pass none."""
    bundle = random_bundle(integration=SMALL)
    inputs = inputs_of(bundle, Conversation.of(user("What?"), assistant("A dog.")))
    bundle.model.train()
    with torch.autocast("cpu", torch.bfloat16):
        bundle.model(**inputs, labels=inputs["input_ids"], use_cache=False).loss.backward()
    assert all(p.grad is not None for p in bundle.model.model.language_model.layers.parameters())


def test_recomputed_layers_have_the_same_strength(bundle):
    """Gradient checkpointing runs each layer twice; the gradients are those of running it once."""
    inputs = inputs_of(bundle, Conversation.of(user(sound(1.0), "What?"), assistant("A dog.")))
    other = inputs_of(bundle, Conversation.of(user("Is it a bell?"), assistant("No.")))
    grads = []
    for checkpointing in (False, True):
        bundle.model.zero_grad()
        if checkpointing:
            checkpointing_of(bundle)("enable")({"use_reentrant": False})
        bundle.model.train()
        bundle.model.model.audio_tower.eval()
        loss = bundle.model(**inputs, labels=inputs["input_ids"], use_cache=False).loss
        later = bundle.model(**other, labels=other["input_ids"], use_cache=False).loss  # its strength is another
        (loss + 0 * later).backward()
        grads.append([p.grad.clone() for p in bundle.model.model.integration.parameters()])
    checkpointing_of(bundle)("disable")()
    bundle.model.eval()
    for once, twice in zip(*grads, strict=True):
        torch.testing.assert_close(once, twice)


def test_a_copy_has_adapters_of_its_own(bundle):
    other = copy.deepcopy(bundle.model)
    inputs = inputs_of(bundle, Conversation.of(user(sound(1.0), "What?"), assistant("A dog.")))
    with torch.inference_mode():
        before = bundle.model(**inputs).logits
        assert torch.equal(other(**inputs).logits, before)
        for parameter in other.model.integration.adapters.parameters():
            parameter.zero_()
        assert torch.equal(bundle.model(**inputs).logits, before)
        assert not torch.equal(other(**inputs).logits, before)


def test_layers_that_were_exchanged_get_their_adapters_again():
    """As quantising does while a model is loaded."""
    bundle = random_bundle(integration=SMALL)
    inputs = inputs_of(bundle, Conversation.of(user("What?"), assistant("A dog.")))
    with torch.inference_mode():
        before = bundle.model(**inputs).logits
        for layer in bundle.model.model.language_model.layers:
            old = layer.self_attn.q_proj
            layer.self_attn.q_proj = torch.nn.Linear(old.in_features, old.out_features, bias=False)
            layer.self_attn.q_proj.weight.copy_(old.weight)
        for _ in range(2):
            assert torch.equal(bundle.model(**inputs).logits, before)


def test_pefts_adapters_stand_beside_and_merge():
    from ossicle.training.lora import attach, merge
    from ossicle.training.recipe import LoraSpec

    bundle = random_bundle(integration=SMALL)
    inputs = inputs_of(bundle, Conversation.of(user("What?"), assistant("A dog.")))
    trunk = bundle.model.trunks()["language_model"]
    with torch.inference_mode():
        before = bundle.model(**inputs).logits
        attach(trunk, LoraSpec(rank=2), "here")
        bundle.model.eval()
        torch.testing.assert_close(bundle.model(**inputs).logits, before)
        merge(trunk)
        torch.testing.assert_close(bundle.model(**inputs).logits, before)


def test_dialogues_of_many_turns_reply_the_same_alone_and_in_company(bundle):
    lm, greedy = Local(bundle, "random"), Sampling(max_new_tokens=6)
    chats = [
        Conversation.of(user(sound(1.0), "What?"), assistant("A dog."), user("And ", sound(6.2, 2), "?")),
        Conversation.of(user(sound(0.4, 3), "Why?")),
        Conversation.of(user("Only words."), assistant("Yes."), user("Or not?")),
    ]
    together = [reply.text for reply in lm.generate(chats, greedy)]
    assert together == [Local(bundle, "alone", recall_bytes=0).generate([chat], greedy)[0].text for chat in chats]
    assert len(set(together)) > 1


LLAMA_2 = (
    "{% for m in messages %}{% if m.role == 'user' %}{{ eos_token }}[INST] {{ m.content }} [/INST]{% else %}"
    "{% generation %} {{ m.content }} {{ eos_token }}{% endgeneration %}{% endif %}{% endfor %}"
)


def with_template(template, monkeypatch):
    def made(texts, spec):
        tokenizer = train_tokenizer(texts, spec)
        tokenizer.chat_template = template
        return tokenizer

    monkeypatch.setattr(__import__("sys").modules[build_module.__module__], "train_tokenizer", made)
    return build({**SPEC, "integration": SMALL}, [*TEXTS, "[INST] [/INST]"])


def test_a_template_may_open_replies_with_words(monkeypatch):
    """As Llama 2's does, whose [/INST] is no control token."""
    bundle = with_template(LLAMA_2, monkeypatch)
    chat = Conversation.of(user("Some text."), assistant("Some."), user("More text."))
    row = bundle.preparer()(chat, reply=True)
    options = bundle.model.model.integration.options
    turns = list(turns_of(row.ids, options))
    assert len(turns) == 2 and turns[1].begun == len(row.ids)
    asked = bundle.tokenizer.decode(row.ids[turns[0].start : turns[0].asked])
    assert asked.endswith("[INST] Some text.")
    assert bundle.tokenizer.decode(row.ids[turns[0].asked : turns[0].begun]) == " [/INST]"
    assert row.ids[turns[0].end - 1] == bundle.tokenizer.eos_token_id
    assert bundle.tokenizer.decode(row.ids[turns[0].begun : turns[0].end]).startswith(" Some.")


@pytest.mark.parametrize(
    ("template", "words"),
    [
        (LLAMA_2.replace(" [/INST]", ""), "nothing between question and reply"),
        (LLAMA_2.replace(" {{ eos_token }}{% endg", "{% endg"), "nothing that is a control token after a reply"),
    ],
    ids=["no opening", "no end"],
)
def test_a_template_that_does_not_show_where_replies_are_is_refused(template, words, monkeypatch):
    with pytest.raises(SpecError, match=words):
        with_template(template, monkeypatch)


def test_turns_are_end_to_end():
    options = TurnOptions(opening=(7, 8), ends=(9,), control=(9,))
    assert list(turns_of([1, 7, 8, 2, 9, 3, 7, 8], options)) == [(0, 1, 3, 5), (5, 6, 8, 8)]
    assert list(turns_of([1, 7, 8, 2, 9, 3], options, replying=False)) == [(0, 1, 3, 5), (5, 6, 6, 6)]
    assert list(turns_of([2, 9, 3, 7, 8, 4], options, replying=True)) == [(0, 0, 0, 2), (2, 3, 5, 6)]
    assert list(turns_of([9, 9, 1, 7, 8], options)) == [(0, 3, 5, 5)], "padding on the left"
    assert list(turns_of([], options)) == []


def test_targets_that_are_not_there_or_not_told_are_named():
    with pytest.raises(SpecError, match=r"targets: none of query is there; linear layers: down_proj, .*q_proj"):
        build({**SPEC, "integration": {**SMALL, "targets": ["query"]}}, TEXTS)
    with pytest.raises(ModelError, match="modules with up_proj are not passed"):
        build({**SPEC, "integration": {**SMALL, "targets": ["up_proj"]}}, TEXTS)
    with pytest.raises(SpecError, match="prompt_adapter to full"):
        from ossicle.training import load_recipe

        stage = {"name": "a", "train": {"prompt_adapter": {"lora": {}}}, "data": {"x": {"type": "scenes"}}, "steps": 1}
        load_recipe({"model": {"base": "tiny"}, "stages": [stage]})


def test_a_stage_trains_the_adapters_with_the_projector_and_the_gate_by_name(tmp_path):
    from ossicle.models import load_bundle
    from ossicle.training import load_recipe, train
    from ossicle.training.tiny_form import DATA, LANGUAGE_MODEL

    model = {**SPEC, "language_model": dict(LANGUAGE_MODEL), "integration": SMALL}
    stages = [
        {"name": name, "train": what, "data": {"scenes": dict(DATA)}, "steps": 2, "seconds_per_batch": 6.0}
        for name, what in (("single", {"projector": "full"}), ("both", {"projector": "full", "prompt_adapter": "full"}))
    ]
    found = []
    for count in (1, 2):
        recipe = load_recipe({"name": "wavllm", "model": model, "stages": stages[:count]})
        train(recipe, tmp_path / str(count), workers=0, quiet=True)
        found.append(load_bundle(tmp_path / str(count) / "model").model.model.integration)
    one, two = found
    assert torch.equal(one.gate.bias, torch.ones_like(one.gate.bias)) and not one.gate.up.any()
    assert two.gate.up.any() and all(p.any() for n, p in one.adapters.named_parameters() if n.endswith("up"))
