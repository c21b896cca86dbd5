"""What a component costs, counted from shapes alone: nothing is computed, so that it takes no time and no memory."""

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map_only
from torch.utils.flop_counter import FlopCounterMode

if TYPE_CHECKING:
    from ossicle.encoders import Encoder
    from ossicle.projectors import Projector

SECONDS = 10.0
"""Of sound, for which encoders are counted; fewer for one that hears less at once."""
FRAMES, RATE, DIM_IN, DIM_OUT = 500, 50.0, 1280, 4096
"""What projectors are counted for: 10 s of frames as Whisper's large encoder gives them, for a 7B language model."""
_MADE = frozenset({torch.empty, torch.zeros, torch.ones, torch.rand, torch.randn, torch.full})
_UNCOUNTED = (RuntimeError, NotImplementedError, TypeError, ValueError, AttributeError, LookupError)
"""How code fails that looks at values, of which there are none."""


class _NoValues(TorchFunctionMode):
    """What is made has a shape and no values; what is written out, such as a stride, keeps its values."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        given = dict(kwargs or {})
        if func in _MADE and given.get("device") is None:
            given["device"] = "meta"
        return func(*args, **given)


class _Shapes(TorchDispatchMode):
    """Lets tensors without values meet those that have some; what depends on such a value is taken for untrue."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        given = kwargs or {}
        devices = {leaf.device.type for leaf in tree_leaves((args, given)) if isinstance(leaf, Tensor)}
        if "meta" in devices and func is torch.ops.aten._local_scalar_dense.default and _is_flag(args[0]):
            return False
        if len(devices) > 1:
            args, given = tree_map_only(Tensor, lambda tensor: tensor.to("meta"), (args, given))
        return func(*args, **given)


def _is_flag(tensor: Tensor) -> bool:
    return tensor.dtype in (torch.bool, torch.uint8)


class _Products(nn.Module):
    """The products of an LSTM, all steps at once: step by step it would take seconds to count them."""

    def __init__(self, lstm: nn.LSTM) -> None:
        super().__init__()
        self.lstm = lstm

    def forward(self, x: Tensor, *state: Any) -> tuple[Tensor, None]:
        """Shapes as the LSTM gives them."""
        both = 1 + self.lstm.bidirectional
        for number in range(self.lstm.num_layers):
            ways = [getattr(self.lstm, f"weight_ih_l{number}{way}") for way in ("", "_reverse")[:both]]
            backs = [getattr(self.lstm, f"weight_hh_l{number}{way}") for way in ("", "_reverse")[:both]]
            hidden = [nn.functional.linear(x, weight)[..., : self.lstm.hidden_size] for weight in ways]
            for one, weight in zip(hidden, backs, strict=True):
                nn.functional.linear(one, weight)
            x = torch.cat(hidden, -1)
        return x, None


def _by_products(module: nn.Module) -> None:
    for name, child in module.named_children():
        if isinstance(child, nn.LSTM):
            setattr(module, name, _Products(child))
        else:
            _by_products(child)


def without_values(make: Callable[[], Any]) -> Any:
    """A module whose parameters are shapes, ready to be counted."""
    with _NoValues():
        module: nn.Module = make()
    _by_products(module)
    # The counter follows what goes back, and fails where a view of a trained weight does not.
    return module.eval().requires_grad_(False)


class _Once:
    """Goes once through layers that are alike and are given the same shapes, and counts them as often as they come."""

    def __init__(self, module: nn.Module) -> None:
        self.counter = FlopCounterMode(display=False)
        self._again = 0
        self._known: dict[Any, tuple[Any, int]] = {}
        for inner in module.modules():
            for child in inner.children() if isinstance(inner, nn.ModuleList) else ():
                kind = repr(child), tuple(parameter.shape for parameter in child.parameters())
                child.forward = partial(self._run, kind, child.forward)

    @property
    def total(self) -> int:
        """Operations so far."""
        return int(self.counter.get_total_flops()) + self._again

    def _run(self, kind: Any, forward: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        key = kind, tuple(map(_described, tree_leaves((args, kwargs))))
        if key not in self._known:
            before = self.total
            out = forward(*args, **kwargs)
            self._known[key] = out, self.total - before
            return out
        out, count = self._known[key]
        self._again += count
        return out


def _described(leaf: Any) -> Any:
    """What of an argument a count depends on."""
    if isinstance(leaf, Tensor):
        return tuple(leaf.shape)
    return leaf if leaf is None or isinstance(leaf, bool | int | float | str) else type(leaf)


def operations(module: nn.Module, *given: Any) -> int | None:
    """Floating-point operations of ``module(*given)``, a multiplication and an addition being two; None where it looks
    at values.

    Those of Fourier transforms and of single elements are left out, as torch's counter does. The module is of no other
    use afterwards.
    """
    once = _Once(module)
    try:
        # The plain products of attention are known to the counter, its kernels on a CPU are not.
        with torch.inference_mode(), _Shapes(), once.counter, sdpa_kernel(SDPBackend.MATH):
            module(*given)
    except _UNCOUNTED:
        return None
    return once.total


def of_encoder(encoder: "Encoder") -> float | None:
    """Operations for each second of sound; None where they cannot be counted without computing them."""
    num_samples = min(round(SECONDS * encoder.sample_rate), encoder.window_samples)
    noise = 0.1 * np.random.default_rng(0).standard_normal((encoder.channels, num_samples))
    features = encoder.prepare(noise.astype(np.float32))
    counted = operations(encoder, features[None], torch.tensor([len(features)]))
    return None if counted is None else counted * encoder.sample_rate / num_samples


def of_projector(projector: "Projector") -> float | None:
    """Operations for each second of sound."""
    from ossicle.encoders.base import Frames

    if projector.reads == "codes":
        given = torch.zeros(1, FRAMES, 1, dtype=torch.long, device="meta")
    else:
        given = torch.zeros(1, FRAMES, projector.dim_in, device="meta")
    counted = operations(projector, Frames(given, torch.tensor([FRAMES])))
    return None if counted is None else counted * RATE / FRAMES
