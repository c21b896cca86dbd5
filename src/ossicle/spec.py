"""Strict YAML ↔ frozen values.

A spec is YAML read into a frozen pydantic model. Nothing is guessed: an unknown key, a key given twice or a value
of the wrong type is a :class:`SpecError` of one sentence that names the file and the dotted key.

* ``extends: other.yaml`` (relative to the file) starts from another spec; mappings merge key by key, lists are
  replaced, except that lists whose items all have a ``name`` (stages) merge item by item of the same name. A mapping
  whose ``type`` changes is replaced, for the options of one component say nothing about another. ``!replace``
  before a mapping or list replaces it whole.
* ``a.b=c`` overrides set one value, parsed as YAML; an item of a list goes by its number or its ``name``
  (``stages.align.steps=10``). One that changes a ``type`` replaces the mapping, too, but for what other overrides
  before it set there; even an option of the same name may mean another's weights.
* Numbers follow YAML 1.2: ``1e-3`` is a number; only ``true`` and ``false`` are booleans, so ``no`` stays a word.
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from ossicle.registry import Registry
from ossicle.support.errors import RegistryError, SpecError, nearest

M = TypeVar("M", bound=BaseModel)


class Spec(BaseModel):
    """A frozen value that YAML describes; an unknown key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    def to_mapping(self) -> dict[str, Any]:
        """Everything that was resolved, defaults included, as plain YAML-able values."""
        return self.model_dump(mode="json")

    def to_yaml(self) -> str:
        """The resolved spec as YAML that :func:`load_spec` reads back to an equal value."""
        return dump_yaml(self.to_mapping())


class NoOptions(Spec):
    """The options of a component that has none."""


def load_spec(
    cls: type[M],
    source: str | Path | Mapping[str, Any],
    overrides: Sequence[str] = (),
    tell: Callable[[str], None] | None = None,
) -> M:
    """Read a spec.

    Args:
        cls: the model to read into.
        source: a YAML file, or its content as a mapping.
        overrides: ``a.b=c`` assignments, applied in order after ``extends`` was followed.
        tell: given a sentence for each override that changes a ``type`` and with it drops options.

    Raises:
        SpecError: the file is missing or no YAML, or does not fit ``cls``.
    """
    if isinstance(source, Mapping):
        where, data = "the given spec", _plain(source)
    else:
        where, data = str(source), read_yaml(source)
    for number, override in enumerate(overrides):
        data, dropped = _retyped(data, override, overrides[:number])
        if dropped and tell is not None:
            tell(dropped)
        data = override_value(data, override)
    return validate(cls, data, where)


def validate(cls: type[M], data: Mapping[str, Any], where: str) -> M:
    """``data`` as a ``cls``, or a :class:`SpecError` of one sentence that begins with ``where``.

    Strict: text is never read as a number, nor a number as a boolean.
    """
    try:
        text = json.dumps(_plain(data), default=_as_text)
    except (TypeError, ValueError) as error:
        raise SpecError(f"{where}: holds a value that YAML cannot say ({error}).") from None
    try:
        return cls.model_validate_json(text, strict=True)
    except ValidationError as error:
        raise SpecError(f"{where}: {_sentence(cls, error, data)}") from None


def build_options(registry: Registry[Any], mapping: Mapping[str, Any], where: str) -> tuple[type[Any], Any]:
    """Read a component spec ``{type: name, **options}``.

    The options are checked by the component's own ``Options`` model (a class attribute).

    Returns:
        The component's class and its options.

    Raises:
        SpecError: no ``type``, an unknown type, or options that do not fit.
    """
    if not isinstance(mapping, Mapping) or not isinstance(mapping.get("type"), str):
        known = ", ".join(registry.names())
        a = "an" if registry.kind[0] in "aeiou" else "a"
        raise SpecError(f"{where}: expected {a} {registry.kind}, {{type: one of {known}}}, not {_shown(mapping)}.")
    try:
        cls = registry.get(mapping["type"])
    except RegistryError as error:
        raise SpecError(f"{where}: {error}") from None
    options = {key: value for key, value in mapping.items() if key != "type"}
    return cls, validate(getattr(cls, "Options", NoOptions), options, f"{where} ({mapping['type']})")


def json_schema(cls: type[BaseModel]) -> dict[str, Any]:
    """The JSON schema of a spec, for editors and for people."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **cls.model_json_schema()}


def first_difference(old: Any, new: Any, key: str = "") -> tuple[str, Any, Any] | None:
    """The first dotted key at which two plain specs differ, with both values (None where absent)."""
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        for name in dict.fromkeys([*old, *new]):
            if found := first_difference(old.get(name), new.get(name), f"{key}.{name}" if key else str(name)):
                return found
        return None
    if isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        for number, pair in enumerate(zip(old, new, strict=True)):
            name = pair[0].get("name", number) if isinstance(pair[0], Mapping) else number
            if found := first_difference(*pair, f"{key}.{name}"):
                return found
        return None
    return None if type(old) is type(new) and old == new else (key, old, new)


# --- YAML -------------------------------------------------------------------------------------------------------


class _ReplaceDict(dict[str, Any]):
    """A mapping written ``!replace``."""


class _ReplaceList(list[Any]):
    """A list written ``!replace``."""


class _Loader(yaml.SafeLoader):
    """Safe YAML with the scalars of YAML 1.2, no duplicate keys, no dates."""


_Loader.yaml_implicit_resolvers = {}
for _tag, _pattern, _first in (
    ("bool", r"^(?:true|True|TRUE|false|False|FALSE)$", "tTfF"),
    ("int", r"^[-+]?[0-9][0-9_]*$", "-+0123456789"),
    ("float", r"^[-+]?(?:\.[0-9]+|[0-9][0-9_]*(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?$", "-+.0123456789"),
    ("float", r"^(?:[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$", "-+."),
    ("null", r"^(?:~|null|Null|NULL|)$", ("~", "n", "N", "")),
    ("merge", r"^<<$", "<"),
):
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(_pattern), list(_first))
_Loader.add_constructor("tag:yaml.org,2002:int", lambda loader, node: int(node.value.replace("_", "")))


class _Dumper(yaml.SafeDumper):
    """Quotes exactly the text that ``_Loader`` would take for something else."""


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    """Exotic line breaks survive only between double quotes."""
    exotic = any(mark in text for mark in "\x85\u2028\u2029\ufeff")
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style='"' if exotic else None)


_Dumper.yaml_implicit_resolvers = _Loader.yaml_implicit_resolvers
_Dumper.add_representer(str, _text)


def dump_yaml(value: Any, *, one_line: bool = False) -> str:
    """Plain values as YAML that :func:`parse_yaml` reads back to the same."""
    text = yaml.dump(
        value,
        Dumper=_Dumper,
        sort_keys=False,
        allow_unicode=True,
        default_flow_style=one_line,
        width=10**9 if one_line else 110,
    )
    return text.removesuffix("...\n").removesuffix("\n") if one_line else text


def _construct_mapping(loader: _Loader, node: yaml.MappingNode) -> dict[str, Any]:
    seen: set[str] = set()
    for key_node, _ in node.value:
        if key_node.value in seen:
            raise yaml.constructor.ConstructorError(
                None, None, f"the key {key_node.value!r} is given twice", key_node.start_mark
            )
        seen.add(key_node.value)
    loader.flatten_mapping(node)
    return {str(key): value for key, value in loader.construct_pairs(node, deep=True)}


def _construct_replace(loader: _Loader, node: yaml.Node) -> Any:
    if isinstance(node, yaml.SequenceNode):
        return _ReplaceList(loader.construct_sequence(node, deep=True))
    if isinstance(node, yaml.MappingNode):
        return _ReplaceDict(_construct_mapping(loader, node))
    raise yaml.constructor.ConstructorError(None, None, "!replace needs a mapping or a list", node.start_mark)


_Loader.add_constructor("tag:yaml.org,2002:map", _construct_mapping)
_Loader.add_constructor("!replace", _construct_replace)


def parse_yaml(text: str, where: str) -> Any:
    """YAML text as plain values. Raises SpecError."""
    try:
        return yaml.load(text, _Loader)  # a SafeLoader
    except yaml.MarkedYAMLError as error:
        line = f" line {error.problem_mark.line + 1}:" if error.problem_mark else ""
        raise SpecError(f"{where}:{line} not valid YAML: {error.problem}.") from None
    except yaml.YAMLError as error:
        raise SpecError(f"{where}: not valid YAML: {' '.join(str(error).split())}.") from None


def read_yaml(path: str | Path, _chain: tuple[Path, ...] = ()) -> dict[str, Any]:
    """A YAML file as a plain mapping, with ``extends`` followed. Raises SpecError."""
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise SpecError(f"{path}: there is no such file.") from None
    except IsADirectoryError:
        raise SpecError(f"{path}: is a folder; name the YAML file in it.") from None
    except (OSError, UnicodeDecodeError) as error:
        raise SpecError(f"{path}: cannot be read as text ({error}).") from None
    data = parse_yaml(text, str(path))
    if not isinstance(data, dict):
        raise SpecError(f"{path}: expected a mapping of keys to values, found {_shown(data)}.")
    parent = data.pop("extends", None)
    if parent is None:
        return _plain(data)
    if not isinstance(parent, str):
        raise SpecError(f"{path}: extends should be the path of one YAML file, not {_shown(parent)}.")
    here = path.resolve()
    if here in _chain:
        raise SpecError(f"{path}: extends itself by way of {', '.join(str(p.name) for p in _chain)}.")
    return merge(read_yaml(path.parent / parent, (*_chain, here)), data)


def merge(base: Any, over: Any) -> Any:
    """``over`` laid on ``base``, by the rules of the module's docstring; neither is changed."""
    if isinstance(over, (_ReplaceDict, _ReplaceList)):
        return _plain(over)
    if isinstance(base, Mapping) and isinstance(over, Mapping):
        if "type" in base and "type" in over and base["type"] != over["type"]:
            return _plain(over)
        merged = {key: merge(value, over[key]) if key in over else value for key, value in base.items()}
        return merged | {key: _plain(value) for key, value in over.items() if key not in base}
    if _named(base) and _named(over):
        by_name = {item["name"]: item for item in base}
        for item in over:
            by_name[item["name"]] = merge(by_name.get(item["name"], {}), item)
        return list(by_name.values())
    return _plain(over)


def override_value(data: Any, assignment: str) -> Any:
    """``data`` with one ``a.b=c`` assignment applied; ``data`` itself is not changed. Raises SpecError."""
    keys, value = _read(assignment)
    return _set(data, keys, value, assignment)


def _read(assignment: str) -> tuple[list[str], Any]:
    dotted, equals, text = assignment.partition("=")
    keys = dotted.strip().split(".")
    if not equals or not all(keys):
        raise SpecError(f"the override {assignment!r} does not read key.key=value.")
    return keys, _plain(parse_yaml(text, f"the override {assignment!r}"))


def _retyped(data: Any, assignment: str, before: Sequence[str]) -> tuple[Any, str | None]:
    """``data`` without the options that go with a ``type`` which ``assignment`` changes, and a sentence about them.

    What the assignments ``before`` set among them stays.
    """
    keys, value = _read(assignment)
    here = keys[:-1]
    old = _get(data, here, assignment) if keys[-1] == "type" else None
    if not isinstance(old, Mapping) or old.get("type", value) == value:
        return data, None
    given = [_read(one)[0] for one in before]
    kept = {"type", *(one[len(here)] for one in given if len(one) > len(here) and one[: len(here)] == here)}
    dropped = [key for key in old if key not in kept]
    if not dropped:
        return data, None
    data = _set(data, here, {key: old[key] for key in old if key in kept}, assignment)
    return data, f"{'.'.join(keys)} is now {value}; what was set for {old['type']} went with it: {', '.join(dropped)}."


def _get(data: Any, keys: Sequence[str], assignment: str) -> Any:
    """What lies there, or None."""
    for key in keys:
        if isinstance(data, list):
            data = data[_index(data, key, assignment)]
        else:
            data = data.get(key) if isinstance(data, Mapping) else None
    return data


def _set(data: Any, keys: Sequence[str], value: Any, assignment: str) -> Any:
    if not keys:
        return value
    key, rest = keys[0], keys[1:]
    if isinstance(data, list):
        at = _index(data, key, assignment)
        return [*data[:at], _set(data[at], rest, value, assignment), *data[at + 1 :]]
    if data is None:
        data = {}
    if not isinstance(data, Mapping):
        raise SpecError(f"the override {assignment!r} looks for {key!r} inside {_shown(data)}, which has no keys.")
    return {**data, key: _set(data.get(key), rest, value, assignment)}


def _index(items: list[Any], key: str, assignment: str) -> int:
    names = [str(item.get("name")) if isinstance(item, Mapping) else "" for item in items]
    if key in names:
        return names.index(key)
    if key.isdigit() and int(key) < len(items):
        return int(key)
    hint = nearest(key, [name for name in names if name])
    raise SpecError(f"the override {assignment!r} finds no item {key!r} among {len(items)}.{hint}")


def _named(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(v, Mapping) and "name" in v for v in value)


def _plain(value: Any) -> Any:
    """Copies of plain containers: marks like ``!replace`` are gone, tuples are lists."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return value


def _as_text(value: Any) -> str:
    if isinstance(value, Path):
        return str(value)
    raise TypeError(f"{type(value).__name__}")


# --- one sentence per error -------------------------------------------------------------------------------------

_EXPECTED = {
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "string_type": "text",
    "tuple_type": "a list",
    "list_type": "a list",
    "dict_type": "a mapping",
    "mapping_type": "a mapping",
    "model_type": "a mapping",
    "model_attributes_type": "a mapping",
    "finite_number": "a finite number",
}


def _sentence(cls: type[BaseModel], error: ValidationError, data: Any) -> str:
    """The first complaint: a misspelt key before the missing key that it leaves behind, and what is wrong within a
    mapping before its being none of some words."""
    complaints = error.errors(include_url=False)

    def order(item: Any) -> tuple[bool, bool, bool]:
        no_word = item["type"] == "literal_error" and isinstance(item["input"], Mapping)
        return item["type"] != "extra_forbidden", no_word, item["type"] == "missing"

    complaints.sort(key=order)
    first = complaints[0]
    dotted = _dotted(first["loc"], data)
    if first["type"] == "extra_forbidden":
        known = _fields_at(cls, first["loc"][:-1])
        name = str(first["loc"][-1])
        hint = nearest(name, known)
        mend = f"did you mean {hint[len(' Did you mean ') : -1]}?" if hint else f"known: {', '.join(known)}."
        return f"{dotted}: unknown key {name!r}; {mend}"
    if first["type"] == "missing" and isinstance(first["loc"][-1], int):
        return f"{dotted}: expected more values than {_shown(first['input'])}."
    if first["type"] == "missing":
        return f"{dotted}: this key is missing."
    if first["type"] in _EXPECTED:
        return f"{dotted}: expected {_EXPECTED[first['type']]}, not {_shown(first['input'])}."
    message = first["msg"].removeprefix("Value error, ").removeprefix("Assertion failed, ")
    message = re.sub(r"^Input should be", "expected", message).rstrip(".")
    if first["type"] in ("value_error", "assertion_error"):
        said = message if message.endswith("?") else f"{message}."
        return f"{dotted}: {said}" if dotted else said
    return f"{dotted}: {message}, not {_shown(first['input'])}."


def _dotted(loc: Sequence[int | str], data: Any) -> str:
    """A pydantic location as a dotted key, with list items by their ``name``; union tags are left out."""
    keys: list[str] = []
    for step in loc:
        if isinstance(step, int) and isinstance(data, (list, tuple)) and step < len(data):
            data = data[step]
            keys.append(str(data.get("name", step)) if isinstance(data, Mapping) else str(step))
        elif isinstance(data, Mapping) and step in data:
            data = data[step]
            keys.append(str(step))
        elif step == loc[-1] and isinstance(data, Mapping):  # the key that is missing
            keys.append(str(step))
    return ".".join(keys)


def _fields_at(cls: type[BaseModel], loc: Sequence[int | str]) -> list[str]:
    """The keys that the model at a pydantic location knows; an empty list where no model is found."""
    found: Any = cls
    for step in loc:
        if isinstance(found, type) and issubclass(found, BaseModel) and step in found.model_fields:
            found = found.model_fields[str(step)].annotation
        models = _models_in(found)
        if not models:
            return []
        found = models[0]
    return list(found.model_fields)


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for arg in getattr(annotation, "__args__", ()) for model in _models_in(arg)]


def _shown(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 60 else text[:57] + "..."
