"""The entry point by which vLLM, in an environment of its own, knows model folders of ours."""

BACKEND = "vllm.model_executor.models.transformers:TransformersMultiModalForCausalLM"
"""The class of vLLM that runs a multimodal model of transformers, named as ``module:Class``: imported when needed."""


def register() -> None:
    """Tell vLLM by which class our architecture is run; called in each of its processes, perhaps several times.

    Configuration, processor and model are found by transformers' Auto classes, as ``import ossicle`` prepared.
    """
    from vllm import ModelRegistry

    ModelRegistry.register_model("LALM", BACKEND)
