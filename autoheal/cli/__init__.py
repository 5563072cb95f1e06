"""The command line: finds the command, lends it a parser, turns its end into an exit status. Imports argparse at most.

The table below is plain data, so that ``autoheal --help`` costs what argparse costs; a command's module is imported
when the command is chosen, and imports what it needs inside its own ``run``. Each module has ``NAME``, ``HELP``,
``add_arguments(parser)`` and ``run(args) -> int``. Exit status: 0 yes or done, 1 no or failed, 2 wrong usage or
configuration, 3 the daemon cannot be reached.
"""

from __future__ import annotations

import sys

OK, NO, USAGE, UNREACHABLE, INTERRUPTED = 0, 1, 2, 3, 130

#: name, what it does (a module's own ``NAME`` and ``HELP`` must say the same; a test compares).
COMMANDS: tuple[tuple[str, str], ...] = (
    ("run", "run the daemon: watch, decide, heal"),
    ("dashboard", "open the dashboard of a running daemon"),
    ("status", "print how the fleet does"),
    ("why", "print why something was or was not done"),
    ("incidents", "list incidents"),
    ("approve", "say yes to what autoheal asks"),
    ("reject", "say no to what autoheal asks"),
    ("silence", "let alarms open no incident for a while"),
    ("pause", "decide but do not act, for the fleet or one model"),
    ("resume", "lift a pause"),
    ("reload", "have the daemon read its configuration again"),
    ("check", "check configuration files"),
    ("test", "play policy tests"),
    ("detect", "run the monitors over a file and print alarms and findings"),
    ("history", "export what is kept of models over time"),
    ("skew", "served features beside the training pipeline's"),
    ("register", "put a version into the registry"),
    ("reference", "say what a version is compared with, or change it"),
    ("gateway", "run the gateway in front of model servers"),
    ("demo", "watch real models drift, break and heal"),
)


def invoke(argv: list[str]) -> int:
    """Run one command line; what is printed is for people, the exit status for scripts."""
    name = argv[0] if argv else ""
    if name not in dict(COMMANDS):
        return _top(argv)
    try:
        return _command(name, argv[1:])
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        return _reader_left()
    except Exception as problem:
        status = _explained(name, problem)
        if status is None:
            raise
        return status


def _command(name: str, argv: list[str]) -> int:
    import argparse
    from importlib import import_module

    module = import_module(f"autoheal.cli.{name}")
    parser = argparse.ArgumentParser(prog=f"autoheal {name}", description=module.__doc__, allow_abbrev=False)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    module.add_arguments(parser)
    try:
        args = parser.parse_args(argv)
    except SystemExit as left:
        return left.code if isinstance(left.code, int) else USAGE
    status = module.run(args)
    sys.stdout.flush()
    return int(status)


def _top(argv: list[str]) -> int:
    """Everything that is no command: help, version, a misspelt name."""
    if not argv or argv[0] in {"-h", "--help", "help"}:
        sys.stdout.write(_help())
        return OK if argv else USAGE
    if argv[0] in {"-V", "--version", "version"}:
        from autoheal import __version__

        sys.stdout.write(f"autoheal {__version__}\n")
        return OK
    from difflib import get_close_matches

    near = get_close_matches(argv[0], [name for name, _ in COMMANDS], 1)
    hint = f"did you mean `autoheal {near[0]}`?" if near else "see `autoheal --help`"
    sys.stderr.write(f"autoheal: there is no command {argv[0]!r}; {hint}\n")
    return USAGE


def _help() -> str:
    wide = max(len(name) for name, _ in COMMANDS)
    rows = "".join(f"  {name.ljust(wide)}  {text}\n" for name, text in COMMANDS)
    return (
        "usage: autoheal COMMAND [options]\n\n"
        "A self-healing controller for machine-learning models in production.\n\n"
        f"commands:\n{rows}\n"
        "`autoheal COMMAND --help` has the options of one command; `autoheal --version` the version.\n"
    )


def _explained(name: str, problem: Exception) -> int | None:
    """Say what went wrong in one sentence; None when it is a defect of ours, which deserves its traceback."""
    from autoheal.errors import AutohealError, ConfigError, DoorError

    if isinstance(problem, OSError) and problem.filename is not None:
        sys.stderr.write(f"autoheal {name}: {problem.filename}: {problem.strerror}\n")
        return NO
    if not isinstance(problem, AutohealError):
        return None
    if isinstance(problem, ConfigError):
        sys.stderr.write(f"{problem}\n")
        return USAGE
    sys.stderr.write(f"autoheal {name}: {problem}\n")
    if isinstance(problem, DoorError) and not problem.status:
        return UNREACHABLE
    return int(getattr(problem, "exit_status", NO))


def _reader_left() -> int:
    """``autoheal ... | head``: nobody reads on. Point stdout elsewhere, or the interpreter complains at its end."""
    import os

    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return NO
