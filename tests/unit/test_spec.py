"""Strict specs: what is read, how specs are laid on one another, and what errors say."""

from pathlib import Path
from typing import Literal

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import Field

from ossicle.registry import Registry
from ossicle.spec import Spec, build_options, dump_yaml, first_difference, json_schema, load_spec, parse_yaml
from ossicle.support.errors import SpecError


class Inner(Spec):
    """Options."""

    lr: float = 1e-3
    betas: tuple[float, float] = (0.9, 0.98)


class Item(Spec):
    """A stage."""

    name: str
    steps: int = 3
    inner: Inner = Inner()
    how: dict[Literal["encoder", "projector"], Literal["frozen", "full"]] = Field(default_factory=dict)


class Whole(Spec):
    """A recipe."""

    encoder: dict = Field(default_factory=dict)
    items: tuple[Item, ...] = ()
    flag: bool = False
    word: str = ""


def write(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def test_numbers_and_words_follow_yaml_1_2(tmp_path):
    spec = load_spec(Whole, write(tmp_path / "a.yaml", "items: [{name: x, inner: {lr: 1e-3}}]\nword: no\nflag: true"))
    assert spec.items[0].inner.lr == 0.001
    assert spec.word == "no"
    assert spec.flag is True


def test_a_spec_survives_its_own_yaml(tmp_path):
    spec = Whole(items=(Item(name="1e3", inner=Inner(lr=1e-7)),), word="null", encoder={"a": [1, 2.0, "3", None, True]})
    assert load_spec(Whole, write(tmp_path / "a.yaml", spec.to_yaml())) == spec


plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(plain)
@example("\xa0")
@example(" ")
def test_yaml_is_read_back_as_written(value):
    assert parse_yaml(dump_yaml(value), "here") == value
    assert first_difference(value, parse_yaml(dump_yaml(value, one_line=True), "here")) is None


def test_extends_merges_by_key_and_by_name(tmp_path):
    write(
        tmp_path / "base.yaml",
        "encoder: {type: melnet, dim: 64}\nword: base\n"
        "items: [{name: align, steps: 5, inner: {lr: 0.5}}, {name: tune, steps: 7}]",
    )
    (tmp_path / "sub").mkdir()
    child = "extends: ../base.yaml\nencoder: {dim: 32}\nitems: [{name: tune, steps: 8}, {name: more}]"
    spec = load_spec(Whole, write(tmp_path / "sub" / "child.yaml", child))
    assert spec.encoder == {"type": "melnet", "dim": 32}
    assert spec.word == "base"
    assert [(item.name, item.steps) for item in spec.items] == [("align", 5), ("tune", 8), ("more", 3)]
    assert spec.items[0].inner.lr == 0.5


def test_extends_replaces_where_told_or_where_the_type_changes(tmp_path):
    write(tmp_path / "base.yaml", "encoder: {type: melnet, dim: 64}\nitems: [{name: align, steps: 5}]")
    child = "extends: base.yaml\nencoder: {type: whisper}\nitems: !replace [{name: tune}]"
    spec = load_spec(Whole, write(tmp_path / "child.yaml", child))
    assert spec.encoder == {"type": "whisper"}
    assert [item.name for item in spec.items] == ["tune"]


def test_overrides_reach_items_by_number_and_name():
    data = {"items": [{"name": "align"}, {"name": "tune"}]}
    spec = load_spec(Whole, data, ["items.tune.inner.lr=1e-4", "items.0.steps=9", "encoder={type: x}", "encoder.dim=3"])
    assert (spec.items[1].inner.lr, spec.items[0].steps, spec.encoder) == (1e-4, 9, {"type": "x", "dim": 3})
    assert data == {"items": [{"name": "align"}, {"name": "tune"}]}


@pytest.mark.parametrize(
    ("overrides", "encoder", "told"),
    [
        (
            ["encoder.type=whisper"],
            {"type": "whisper"},
            ["encoder.type is now whisper; what was set for melnet went with it: dim, inner."],
        ),
        (["encoder.type=melnet"], {"type": "melnet", "dim": 64, "inner": {"type": "x", "size": 2}}, []),
        (["encoder.dim=3", "encoder.type=whisper"], {"type": "whisper", "dim": 3}, ["inner"]),
        (["encoder.type=whisper", "encoder.dim=3"], {"type": "whisper", "dim": 3}, ["dim, inner"]),
        (
            ["encoder.inner.size=3", "encoder.type=layers"],
            {"type": "layers", "inner": {"type": "x", "size": 3}},
            ["dim"],
        ),
        (
            ["encoder.inner.type=y"],
            {"type": "melnet", "dim": 64, "inner": {"type": "y"}},
            ["encoder.inner.type is now y"],
        ),
        (["encoder.type=layers", "encoder.inner.type=y"], {"type": "layers", "inner": {"type": "y"}}, ["dim, inner"]),
        (["encoder={dim: 1}", "encoder.type=whisper"], {"dim": 1, "type": "whisper"}, []),
    ],
)
def test_another_type_takes_the_options_of_the_old_one_away(overrides, encoder, told):
    data = {"encoder": {"type": "melnet", "dim": 64, "inner": {"type": "x", "size": 2}}}
    found: list[str] = []
    spec = load_spec(Whole, data, overrides, found.append)
    assert spec.encoder == encoder
    assert len(found) == len(told) and all(words in sentence for words, sentence in zip(told, found, strict=True))
    assert load_spec(Whole, data, overrides) == spec
    assert data["encoder"]["dim"] == 64


def test_types_within_lists_change_alike():
    data = {"encoder": {"type": "concat", "encoders": [{"type": "a", "size": 1}, {"type": "b", "size": 2}]}}
    spec = load_spec(Whole, data, ["encoder.encoders.1.type=c"])
    assert spec.encoder["encoders"] == [{"type": "a", "size": 1}, {"type": "c"}]


@pytest.mark.parametrize(
    ("text", "override", "sentence"),
    [
        ("enconder: {}", None, "{file}: enconder: unknown key 'enconder'; did you mean 'encoder'?"),
        (
            "items: [{name: a, inner: {betes: 1}}]",
            None,
            "{file}: items.a.inner.betes: unknown key 'betes'; did you mean 'betas'?",
        ),
        ("items: [{nome: a}]", None, "{file}: items.0.nome: unknown key 'nome'; did you mean 'name'?"),
        ("zzz: 1", None, "{file}: zzz: unknown key 'zzz'; known: encoder, items, flag, word."),
        ("items: [{}]", None, "{file}: items.0.name: this key is missing."),
        ("items: [{name: a, steps: 1.5}]", None, "{file}: items.a.steps: expected a whole number, not 1.5."),
        ("items: [{name: a, steps: '5'}]", None, '{file}: items.a.steps: expected a whole number, not "5".'),
        ("flag: 1", None, "{file}: flag: expected true or false, not 1."),
        ("items: 3", None, "{file}: items: expected a list, not 3."),
        ("items: [{name: a, inner: {lr: .inf}}]", None, None),
        (
            "items: [{name: a, how: {encoder: lora}}]",
            None,
            "{file}: items.a.how.encoder: expected 'frozen' or 'full', not \"lora\".",
        ),
        ("flag: true\nflag: false", None, "{file}: line 2: not valid YAML: the key 'flag' is given twice."),
        ("flag: [", None, None),
        ("- 1", None, "{file}: expected a mapping of keys to values, found [1]."),
        ("extends: nowhere.yaml", None, None),
        (
            "items: [{name: align}]",
            "items.aling.steps=1",
            "the override 'items.aling.steps=1' finds no item 'aling' among 1. Did you mean 'align'?",
        ),
        ("flag: true", "flag", "the override 'flag' does not read key.key=value."),
        ("word: x", "word.y=1", "the override 'word.y=1' looks for 'y' inside \"x\", which has no keys."),
    ],
)
def test_errors_are_one_sentence_that_says_where(tmp_path, text, override, sentence):
    file = write(tmp_path / "a.yaml", text)
    with pytest.raises(SpecError) as caught:
        load_spec(Whole, file, [override] if override else [])
    assert "\n" not in str(caught.value)
    if sentence is not None:
        assert str(caught.value) == sentence.replace("{file}", str(file))


def test_missing_files_and_circles_are_named(tmp_path):
    with pytest.raises(SpecError, match="there is no such file"):
        load_spec(Whole, tmp_path / "none.yaml")
    with pytest.raises(SpecError, match="is a folder"):
        load_spec(Whole, tmp_path)
    write(tmp_path / "a.yaml", "extends: b.yaml")
    write(tmp_path / "b.yaml", "extends: a.yaml")
    with pytest.raises(SpecError, match="extends itself"):
        load_spec(Whole, tmp_path / "a.yaml")


def test_components_check_their_own_options():
    kind = Registry("widget", "ossicle.data.sources")

    @kind.register("round")
    class Round:
        Options = Inner

    assert build_options(kind, {"type": "round", "lr": 1}, "model.widget") == (Round, Inner(lr=1))
    with pytest.raises(SpecError, match=r"model\.widget \(round\): rl: unknown key 'rl'; did you mean 'lr'\?"):
        build_options(kind, {"type": "round", "rl": 1}, "model.widget")
    with pytest.raises(SpecError, match=r"model\.widget: there is no widget 'rond'. Did you mean 'round'\?"):
        build_options(kind, {"type": "rond"}, "model.widget")
    with pytest.raises(SpecError, match=r"model\.widget: expected a widget"):
        build_options(kind, {"lr": 1}, "model.widget")


def test_schema_names_every_key():
    schema = json_schema(Whole)
    assert set(schema["properties"]) == {"encoder", "items", "flag", "word"}
    assert schema["additionalProperties"] is False


def test_first_difference_is_a_dotted_key():
    old = {"a": 1, "stages": [{"name": "align", "steps": 1}]}
    assert first_difference(old, {"a": 1, "stages": [{"name": "align", "steps": 2}]}) == ("stages.align.steps", 1, 2)
    assert first_difference(old, {"a": 1}) == ("stages", old["stages"], None)
    assert first_difference(old, {**old, "b": 0}) == ("b", None, 0)
    assert first_difference(old, dict(old)) is None
