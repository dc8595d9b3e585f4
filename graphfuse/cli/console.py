"""How every verb talks: progress, the summary, the `--json` line, and exit status."""

import errno
import json
import math
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from inspect import Parameter, Signature, signature
from types import ModuleType, TracebackType
from typing import TYPE_CHECKING, Annotated, Any, Self

import typer

from graphfuse.core.errors import GraphfuseError, ResourceError
from graphfuse.core.progress import Progress

if TYPE_CHECKING:  # rich is loaded only where a bar or a table is drawn
    from rich.progress import Progress as Bar
    from rich.progress import TaskID

Figures = dict[str, Any]

JsonOption = Annotated[bool, typer.Option("--json", help="End standard output with one line of JSON that holds the figures.")]
QuietOption = Annotated[bool, typer.Option("--quiet", "-q", help="No progress and no summary.")]
VerboseOption = Annotated[bool, typer.Option("--verbose", "-v", help="Show the traceback of an error.")]
SetOption = Annotated[
    list[str] | None, typer.Option("--set", metavar="A.B=VALUE", help="Change a setting, such as train.epochs=5; list items by position.")
]
AllowOption = Annotated[
    list[str] | None, typer.Option("--allow-plugin", metavar="PACKAGE", help="Trust this package, so that plug-ins of it are imported.")
]

CONTROLS = dict.fromkeys([*range(9), *range(11, 32), *range(127, 160)], "\N{REPLACEMENT CHARACTER}")
OUT_OF_SPACE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def command(verb: ModuleType) -> Callable[..., None]:
    """Return the function `run` of a verb as a command, with the options that every verb has.

    Args:
        verb: Holds `run`, which returns figures and may ask for `progress`; `lines`, which puts them into words; and
            `RESUME`, what to do after an interruption, if it is not just to repeat the command.
    """
    own = signature(verb.run).parameters

    def call(as_json: JsonOption = False, quiet: QuietOption = False, verbose: VerboseOption = False, **given: Any) -> None:
        def figures(progress: Progress) -> Figures:
            return verb.run(**given, **({"progress": progress} if "progress" in own else {}))  # type: ignore[no-any-return]  # a module's

        resume = getattr(verb, "RESUME", "repeat the command")
        perform(figures, verb.lines, as_json=as_json, quiet=quiet, verbose=verbose, resume=resume)

    shared = [option for option in signature(call).parameters.values() if option.kind is not Parameter.VAR_KEYWORD]
    options = [*(option for option in own.values() if option.name != "progress"), *shared]
    # what typer reads to make options and help
    call.__doc__, call.__annotations__ = verb.run.__doc__, {option.name: option.annotation for option in options}
    call.__signature__ = Signature(options)  # type: ignore[attr-defined]  # read by inspect.signature
    return call


def perform(
    verb: Callable[["Reporter"], Figures],
    summary: Callable[[Figures], Iterable[str]],
    *,
    as_json: bool,
    quiet: bool = False,
    verbose: bool = False,
    resume: str = "repeat the command",
) -> None:
    """Run one verb, print what came of it, and leave with its exit status.

    Args:
        verb: Calls the pipeline with a progress callback and returns its figures.
        summary: The figures in words, one line each.
        as_json: Print the figures as the last line of standard output.
        quiet: Print neither progress nor summary.
        verbose: Show tracebacks of errors that the user can mend, too.
        resume: What to do after an interruption.

    Raises:
        typer.Exit: 0 done, 2 the user can mend it (a full disk behind standard output, too), 1 a bug, 130 interrupted.
    """
    _hush_libraries()
    try:
        with Reporter(quiet) as reporter:
            figures = verb(reporter)
        lines = [] if quiet else list(summary(figures))
    except (GraphfuseError, OSError) as error:
        if verbose:
            _show_traceback()
        _fail(_code(error), _words(error), as_json)
        raise typer.Exit(2) from None
    except KeyboardInterrupt:
        _fail("E_INTERRUPTED", f"Interrupted. What is done is kept: {resume} to resume.", as_json)
        raise typer.Exit(130) from None
    except Exception as error:  # noqa: BLE001  (the last door: a bug is shown, and told apart from the user's mistakes)
        _show_traceback()
        _fail("E_BUG", f"This is a bug in graphfuse, not in your data ({type(error).__name__}). Please report the lines above.", as_json)
        raise typer.Exit(1) from None
    try:
        with _whoever_reads():
            for line in lines:
                say(line)
            if as_json:
                typer.echo(json.dumps(_finite(figures), ensure_ascii=False, allow_nan=False, default=str))
    except ResourceError as error:
        _fail(error.code, str(error), as_json=False)  # a line of JSON would find no place either
        raise typer.Exit(2) from None


class Reporter:
    """Progress on standard error: a bar on a terminal, plain lines elsewhere.

    Calling it has the form `progress(done, total, label)` that the whole package uses.
    """

    def __init__(self, quiet: bool) -> None:
        self._quiet = quiet
        self._bar: Bar | None = None
        self._task: TaskID | None = None
        self._label = ""
        self._tenth = -1

    def __enter__(self) -> Self:
        """Start reporting."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Leave the terminal as it was, also after an error."""
        if self._bar is not None:
            self._bar.stop()

    def __call__(self, done: int, total: int, label: str) -> None:
        """Show that `done` of `total` steps of `label` are finished."""
        if self._quiet:
            return
        if sys.stderr.isatty():
            self._draw(done, total, label)
        else:
            self._write(done, total, label)

    def _draw(self, done: int, total: int, label: str) -> None:
        if self._bar is None:
            from rich.console import Console
            from rich.progress import Progress as Bar

            self._bar = Bar(console=Console(stderr=True))
            self._bar.start()
            self._task = self._bar.add_task(label, total=total)
        if self._task is not None:
            self._bar.update(self._task, description=label, completed=done, total=total)

    def _write(self, done: int, total: int, label: str) -> None:
        """Write one line per tenth, so that a log stays short."""
        tenth = 10 * done // max(total, 1)
        if (label, tenth) != (self._label, self._tenth):
            say(f"{label}: {done} of {total}", err=True)
        self._label, self._tenth = label, tenth


def _hush_libraries() -> None:
    """Keep to ourselves what the libraries' authors tell each other: people cannot mend it."""
    import warnings

    for category in (FutureWarning, DeprecationWarning):
        warnings.filterwarnings("ignore", category=category, module=r"(torch|torch_geometric|torchvision|transformers)\b")
    os.environ.setdefault("PYTHONWARNINGS", "ignore::FutureWarning:torch.jit._script")  # worker processes import torch themselves


def say(line: str, *, err: bool = False) -> None:
    """Print a line; controls in it, which may come from anyone's table, are shown and not obeyed by the terminal."""
    typer.echo(line.translate(CONTROLS), err=err)


def counts(figures: dict[str, int]) -> str:
    """Return counts in one line: `12 test, 40 train`."""
    return ", ".join(f"{count:,} {name}" for name, count in figures.items()) or "none"


def edge_kinds(edges: dict[str, int]) -> dict[str, int]:
    """Return the edges by kind as people say it, those that run the other way left out."""
    return {name.replace("__", " "): count for name, count in edges.items() if "__rev_" not in name}


def fail_usage(error: typer.TyperException, as_json: bool) -> int:
    """Say what is wrong with a command line and return exit status 2."""
    message = error.format_message().replace("Value error, ", "").replace("Input should be", "must be").rstrip(".")
    context = getattr(error, "ctx", None)
    stop = "" if message.endswith("?") else "."
    _fail("E_CONFIG", f"{message}{stop} See: {context.command_path if context else 'graphfuse'} --help", as_json)
    return 2


def _fail(code: str, message: str, as_json: bool) -> None:
    first, *others = message.splitlines() or [""]
    if others and not first.endswith(":"):  # no list with a head of its own, but one problem per line
        first, others = "several things are wrong:", [f"  - {line}" for line in (first, *others)]
    for line in (f"graphfuse: {first}", *others):
        say(line, err=True)
    if as_json:
        with suppress(ResourceError), _whoever_reads():  # standard error and the exit status tell it already
            typer.echo(json.dumps({"error": {"code": code, "message": message}}, ensure_ascii=False))


@contextmanager
def _whoever_reads() -> Iterator[None]:
    """Write to standard output, or to nobody: `graphfuse list | head` reads no further, which changes no exit status.

    Raises:
        ResourceError: If it is a file that takes no more.
    """
    try:
        yield
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # for what is flushed at the end
        if not isinstance(error, BrokenPipeError):
            raise ResourceError(
                f"Standard output must take what is written to it ({error.strerror or error}). "
                "What the command made is kept; make room, or send its output elsewhere."
            ) from error


def _finite(value: Any) -> Any:
    """Return the figures with null for what has no value, such as the AUC of one class: JSON knows no NaN."""
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _code(error: GraphfuseError | OSError) -> str:
    if isinstance(error, GraphfuseError):
        return error.code
    return "E_RESOURCE" if error.errno in OUT_OF_SPACE else "E_INPUT"


def _words(error: GraphfuseError | OSError) -> str:
    if isinstance(error, GraphfuseError):
        return str(error)
    what = f"'{error.filename}'" if error.filename else "A file or an address"
    return f"{what} cannot be used ({error.strerror or error}). Check the path, your rights and the free space."


def _show_traceback() -> None:
    import traceback

    typer.echo(traceback.format_exc(), err=True)
