"""The list of all outputs, and their options."""

import re

import click
import pytest

from edgeae.runtime.outputs.declaration import OutputContext, OutputDeclaration, RunOption
from edgeae.runtime.outputs.registry import (
    OUTPUT_MODULES,
    open_outputs,
    output_options,
    outputs,
)


@pytest.fixture(scope="module")
def command() -> click.Command:
    @click.command()
    @output_options
    def run(**_: object) -> None:
        pass

    return run


def test_each_module_declares_an_output() -> None:
    declarations = outputs()
    assert len(declarations) == len(OUTPUT_MODULES)
    assert all(isinstance(declaration, OutputDeclaration) for declaration in declarations)


def test_options_are_in_the_order_of_the_outputs(command: click.Command) -> None:
    names = [option.name for option in command.params]
    assert names[0] == "log"
    assert names[-1] == "metrics_file"
    assert len(names) == len(set(names))


def test_every_option_is_explained_without_its_name(command: click.Command) -> None:
    for option in command.params:
        assert isinstance(option, RunOption)
        assert option.help and re.search(r"\.(  \[default: [^]]+\])?$", option.help)


def test_no_output_opens_unless_it_is_requested(command: click.Command) -> None:
    values = command.make_context("run", []).params
    assert list(open_outputs(values, OutputContext(live=True))) == []


def test_metrics_are_about_the_outputs_before_them(
    command: click.Command, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("outputs")
    arguments = ["--metrics-file", f"{folder}/edgeae.prom", "--log", f"{folder}/lines.jsonl"]
    values = command.make_context("run", arguments).params
    opened = list(open_outputs(values, OutputContext(live=True)))
    outboxes = [outbox for output in opened for outbox in output.outboxes]
    assert [outbox.sink.name for outbox in outboxes] == ["log", "metrics", "metrics-file"]
    for outbox in outboxes:
        outbox.close()
    assert 'output="log"' in (folder / "edgeae.prom").read_text()
