"""What encoders share whose layers and weights are those of transformers."""

import abc
from collections.abc import Mapping
from typing import Any, ClassVar

from pydantic import model_validator
from torch import nn
from transformers import AutoConfig, PreTrainedConfig, PreTrainedModel

from ossicle.encoders.base import Encoder, Options, WindowSeconds
from ossicle.support.errors import ModelError, SpecError
from ossicle.support.hub import reason
from ossicle.support.sizes import keys_of, offered, unknown_key
from ossicle.support.weights import read_weights


class UpstreamOptions(Options):
    """Pretrained weights by ``id`` (hub id or folder), or the sizes of an encoder that starts from nothing.

    ``config`` is what was resolved from ``id``; a checkpoint holds it, so that it rebuilds without the hub. Without
    either, the best-known weights of this type are taken.
    """

    best_known: ClassVar[str | None] = None
    """See :class:`~ossicle.encoders.base.Encoder`."""
    id: str | None = None
    config: dict[str, Any] | None = None

    @model_validator(mode="before")
    @classmethod
    def _one_source(cls, given: Any) -> Any:
        if not isinstance(given, Mapping) or not (given.get("id") is None and given.get("config") is None):
            return given
        if cls.best_known is None:
            raise ValueError("give id (pretrained weights) or config (sizes, from scratch; {} for the published ones)")
        return {**given, "id": cls.best_known}


class CutOptions(UpstreamOptions):
    """As upstream; and how recordings are cut."""

    window_s: WindowSeconds = 30.0
    """Longest stretch that is encoded at once."""


class Upstream(Encoder):
    """Base of encoders that wrap a model of transformers. A subclass names its classes and says what it keeps."""

    Options = UpstreamOptions
    config_class: ClassVar[type[PreTrainedConfig]]
    model_class: ClassVar[type[PreTrainedModel]]
    whole: ClassVar[str | None] = None
    """Type of the published model that this is a part of."""
    tower: ClassVar[str] = ""
    """Name of the part in it."""
    part: ClassVar[str] = "audio_config"
    """Where its configuration holds the sizes of that part."""
    overrides: ClassVar[dict[str, Any]] = {}
    """What we want otherwise than the published configuration has it."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "best_known" in cls.__dict__:  # its options know it, which are read before there is an encoder
            body = {"best_known": cls.best_known, "__annotations__": {"best_known": ClassVar[str | None]}}
            cls.Options = type(cls.Options.__name__, (cls.Options,), {**body, "__module__": cls.__module__})

    def __init__(self, options: UpstreamOptions) -> None:
        super().__init__()
        self.options = options
        self.config = self.config_of(options)

    @classmethod
    def reference(cls) -> "Upstream":
        """Of the sizes that transformers has for it by default."""
        return cls(cls.Options(config={}))

    @classmethod
    def config_of(cls, options: UpstreamOptions) -> PreTrainedConfig:
        """The sizes, from the options themselves or from what is published."""
        given = options.config if options.config is not None else cls.published(options.id)
        return cls.config_class(**{**given, **cls.overrides})

    @classmethod
    def published(cls, ref: str | None) -> dict[str, Any]:
        """The sizes of a published model.

        Raises:
            ModelError: they cannot be had, or are those of another kind of model.
        """
        try:
            found, _ = cls.config_class.get_config_dict(ref)
            wanted = cls.whole or cls.config_class.model_type
            if found.get("model_type") != wanted:
                raise ModelError(f"{ref!r} is a {found.get('model_type')} model, not a {wanted}; name another type.")
            if cls.whole:
                whole = AutoConfig.from_pretrained(ref, trust_remote_code=False)
                return getattr(whole, cls.part).to_diff_dict()
            return cls.config_class.from_pretrained(ref).to_diff_dict()
        except (OSError, ValueError) as error:
            raise ModelError(f"the {cls.type_name} model {ref!r} cannot be found: {reason(error)}") from error

    @classmethod
    def resolve(cls, options: UpstreamOptions) -> UpstreamOptions:
        """Options that rebuild the module without its hub id.

        Raises:
            SpecError: a key of ``config`` that this type of model does not have.
        """
        if options.id is None and (key := unknown_key(cls.config_class, options.config)):
            hint = offered(key, sorted(keys_of(cls.config_class)))
            raise SpecError(f"encoder ({cls.type_name}).config: unknown key {key!r}{hint or '.'}")
        return options.model_copy(
            update={"config": cls.published(options.id) if options.config is None else options.config}
        )

    def load_pretrained(self) -> None:
        """Fill the weights from ``options.id``, where it names any.

        Raises:
            ModelError: they cannot be had, or a tensor is missing or of another shape.
        """
        if self.options.id is None:
            return
        source = read_weights(
            self.model_class,
            self.options.id,
            f"{self.type_name} {self.options.id!r}",
            needed=lambda source: self.kept(source)[1],
            config=self.config,
            key_mapping={rf"^(model\.)?{self.tower}\.": ""} if self.tower else None,
        )
        self.module().load_state_dict(self.kept(source)[0].state_dict())

    @abc.abstractmethod
    def module(self) -> nn.Module:
        """Our copy of the part that is used."""

    def kept(self, source: PreTrainedModel) -> tuple[nn.Module, str | tuple[str, ...]]:
        """The part of a published model that is used, and what its tensors' names begin with."""
        return source, ""
