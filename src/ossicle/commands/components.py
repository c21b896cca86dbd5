"""``ossicle show components``: every part that a recipe can name."""

import json
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from ossicle.support.errors import RegistryError

if TYPE_CHECKING:
    from torch import nn

    from ossicle.encoders import Encoder
    from ossicle.registry import Registry

_COST_S = 10.0


def show_components(*, cost: bool, as_json: bool) -> None:
    """Print encoders, projectors and integrations.

    Args:
        cost: also run every encoder over 10 s of noise, counting operations; big ones take seconds.
        as_json: one object instead of tables.
    """
    found = {
        "encoders": list(_encoders(cost)),
        "projectors": list(_projectors()),
        "integrations": list(_integrations()),
    }
    if as_json:
        print(json.dumps(found, indent=1))
        return
    print("encoders, at the size of their published base (your own: ossicle show RECIPE)\n")
    print(f"  {'':<16}{'Hz':>7}{'frames/s':>10}{'width':>7}{'window':>9}{'parameters':>15}", end="")
    print(f"{'GFLOP/s of audio':>18}  licence of weights" if cost else "  licence of weights")
    for one in found["encoders"]:
        print(f"  {one['type']:<16}", end="")
        if "width" in one:
            print(f"{one['sample_rate']:>7,}{one['frames_per_s']:>10g}{one['width']:>7}", end="")
            print(f"{one['window_s']:>7g} s{one['parameters']:>15,}", end="")
            print(f"{one['gflop_per_s']:>18.2f}" if cost else "", end="")
            print(f"  {one['licence'] or '–'}", end="")
        print(f"\n  {'':<16}{one['about']}")
    print("\n  Licences are those of the best-known weights; the card of the checkpoint that you load decides.")
    for kind in ("projectors", "integrations"):
        print(f"\n{kind}\n")
        for one in found[kind]:
            print(f"  {one['type']:<17}{one['about']}")


def _encoders(cost: bool) -> Iterator[dict[str, Any]]:
    import torch
    from pydantic import ValidationError

    from ossicle.encoders import encoders

    for row, cls in _each(encoders):
        if cls is None:
            yield row
            continue
        try:
            with torch.device("cpu" if cost else "meta"):
                encoder = cls.reference()
        except ValidationError:  # somebody's own, which has no options by default
            encoder = None
        if encoder is not None:
            window_s = encoder.window_samples / encoder.sample_rate
            row |= {
                "sample_rate": encoder.sample_rate,
                "frames_per_s": round(encoder.num_frames(encoder.window_samples) / window_s, 2),
                "width": encoder.dim,
                "window_s": window_s,
                "parameters": sum(p.numel() for p in encoder.parameters()),
                "licence": cls.licence,
            }
            if cost:
                row["gflop_per_s"] = round(_operations(encoder) / _COST_S / 1e9, 3)
        yield row


def _projectors() -> Iterator[dict[str, Any]]:
    from ossicle.projectors import projectors

    for row, _ in _each(projectors):
        yield row


def _integrations() -> Iterator[dict[str, Any]]:
    from ossicle.models.integrations import integrations

    for row, _ in _each(integrations):
        yield row


def _each(registry: "Registry[Any]") -> Iterator[tuple[dict[str, Any], type[Any] | None]]:
    """What is told of every component, and its class; None, and what is wrong, where its package is broken."""
    for name in registry.names():
        try:
            cls = registry.get(name)
        except RegistryError as error:
            yield {"type": name, "about": f"✗ {error}", "broken": True}, None
        else:
            yield {"type": name, "about": _about(cls)}, cls


def _about(cls: "type[nn.Module]") -> str:
    """The first paragraph of the file's docstring, or of the class's where a file holds several things."""
    text = sys.modules[cls.__module__].__doc__ or cls.__doc__ or ""
    return " ".join(text.strip().split("\n\n")[0].split())


def _operations(encoder: "Encoder") -> int:
    """Floating-point operations over 10 s of noise; a multiplication and an addition count as two."""
    import numpy as np
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    samples = np.random.default_rng(0).standard_normal((encoder.channels, round(_COST_S * encoder.sample_rate)))
    features = encoder.eval().prepare((0.1 * samples).astype(np.float32))
    with torch.inference_mode(), FlopCounterMode(display=False) as counter:
        encoder(features[None], torch.tensor([len(features)]))
    return counter.get_total_flops()
