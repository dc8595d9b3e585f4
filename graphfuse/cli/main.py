"""The command line: `graphfuse VERB`. It parses, calls the pipeline and prints; nothing else."""

import signal
import sys
from collections.abc import Sequence
from typing import Annotated

import typer

from graphfuse.cli import analyse, compare, convert, demo, export, init, inspect, predict, train
from graphfuse.cli import list as list_verb
from graphfuse.cli.console import command, fail_usage

HELP = "Turn tables of posts with text, pictures, users and interactions into graphs, fuse them, and see which edges mattered."
EXAMPLES = """\b
Examples:
  graphfuse demo
  graphfuse init posts.csv
  graphfuse convert experiment.yaml --out stores/posts
  graphfuse train experiment.yaml --store stores/posts --out runs/first
  graphfuse predict runs/first --input new.csv --out predictions.parquet
  graphfuse compare experiment.yaml --store stores/posts --out comparisons/all
  graphfuse analyse runs/first --store stores/posts --out runs/first-analysis"""

# plain help: twice as quick to show as a drawn one, and the same in a pipe
app = typer.Typer(name="graphfuse", help=HELP, epilog=EXAMPLES, rich_markup_mode=None, add_completion=False, pretty_exceptions_enable=False)
for verb in (demo, init, convert, inspect, train, predict, compare, analyse, export, list_verb):
    name = verb.__name__.rpartition(".")[2]
    app.command(name, short_help=verb.__doc__, epilog=f"\b\nExamples:\n{verb.EXAMPLES}")(command(verb))
app.command("analyze", epilog=f"\b\nExamples:\n{analyse.EXAMPLES}", hidden=True)(command(analyse))


def _show_version(asked: bool) -> None:
    if asked:
        from graphfuse import __version__

        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and leave.")] = False,
) -> None:
    """Without this, a single option could not stand before the verb."""


def run(arguments: Sequence[str]) -> int:
    """Run one command line and return its exit status."""
    try:
        return app(list(arguments) or ["--help"], prog_name="graphfuse", standalone_mode=False) or 0
    except typer.TyperException as error:
        return fail_usage(error, "--json" in arguments)


def main() -> None:
    """Run the command line of this process."""
    # a scheduler's "terminate" is a Ctrl-C: what is done is kept, and the exit status says so
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    sys.exit(run(sys.argv[1:]))
