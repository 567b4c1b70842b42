"""The options of `edgeae run` from its arguments, for tests of what reads them."""

from edgeae.runtime.commands.run import run
from edgeae.runtime.commands.run_options import RunOptions


def parsed_options(*arguments: object) -> RunOptions:
    """The options as the command parses them; the artifact is `machine.onnx` if none is named."""
    texts = [str(argument) for argument in arguments]
    if not any(text.endswith(".onnx") for text in texts):
        texts.insert(0, "machine.onnx")
    values = run.make_context("run", texts).params
    return RunOptions.of(values.pop("arguments"), values)
