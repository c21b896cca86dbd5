"""The Descript Audio Codec's encoder (Kumar et al. 2023, arXiv 2306.06546), before quantisation or as codes."""

import numpy as np
from torch import Tensor, nn
from transformers import DacConfig, DacModel
from transformers.models.dac.modeling_dac import DacEncoder, DacResidualVectorQuantizer

from ossicle.encoders._codec import Codec
from ossicle.encoders.base import encoders


@encoders.register("dac")
class Dac(Codec):
    """86 frames per second from samples at 44.1 kHz; the published models at 16 and 24 kHz have 50 and 75."""

    config_class, model_class = DacConfig, DacModel
    quantiser_class = DacResidualVectorQuantizer
    best_known = "descript/dac_44khz"
    licence = "MIT"

    def _make(self) -> nn.Module:
        return DacEncoder(self.config)

    @property
    def num_codebooks(self) -> tuple[int, int]:
        """Up to all of them."""
        return 1, self.config.n_codebooks

    def _codes(self, x_BDF: Tensor) -> Tensor:
        # While training, upstream's would draw how many codebooks are heard.
        return self.quantiser.eval()(x_BDF, n_quantizers=len(self.codebooks))[1].transpose(0, 1)

    @classmethod
    def tiny(cls) -> "Dac":
        """Four convolutions up to width 64, hearing 4 s at once at 16 kHz."""
        return cls(cls.Options(config={"encoder_hidden_size": 4, "downsampling_ratios": [2, 4, 5, 8]}, window_s=4.0))

    @classmethod
    def reference(cls) -> "Dac":
        """The model at 44.1 kHz."""
        return cls(cls.Options(config={"sampling_rate": 44_100}))

    def prepare(self, samples_CT: np.ndarray) -> Tensor:
        """Samples [T, 1], with zeros up to a whole number of hops, as upstream."""
        return super().prepare(np.pad(samples_CT, ((0, 0), (0, -samples_CT.shape[1] % self.hop))))
