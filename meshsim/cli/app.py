"""The command group and the one place where an exception becomes an exit code."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Any, Final

import click

from meshsim import __version__
from meshsim.cli.lean import collect_rarely, keep_out

COMMANDS: Final = {
    "init": "Write a first scenario with its manifests.",
    "import": "Make a scenario of a topology, traces or a series of rates.",
    "run": "Run scenarios and judge their expectations.",
    "validate": "Check scenarios and manifests without running anything.",
    "report": "Show a recorded run again.",
    "export": "Write a recording in the formats of other tools.",
    "explain": "Say why a request goes where it goes.",
    "authz": "Show who may call whom, and the rule that decides.",
    "proxy-config": "Show what a proxy had, in istioctl's columns.",
    "stats": "Show what the Envoy of a pod had counted.",
    "metrics": "Show Istio's standard metrics of a run.",
    "sweep": "Run a scenario over a grid of values.",
    "calibrate": "Fit what proxies cost to measurements.",
    "verify": "Compare the model with recordings of the real thing.",
    "inject": "Print manifests with the sidecars istiod would inject.",
    "iptables": "Print the nat rules of a pod, or the way of a connection through them.",
    "bench": "Measure the event core on this machine.",
    "schema": "Print the JSON Schema of scenario files.",
    "doctor": "Check the installation.",
}
"""Commands in the order of the help, each in the module of its name with a function `command`."""
_MODULES: Final = {"import": "importing"}
"""Commands whose name Python has taken."""

INTERRUPTED: Final = 130
INTERNAL: Final = 3
_BROKEN_PIPE: Final = 141


class Commands(click.Group):
    """Imports a command's module when the command is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module = import_module(f"meshsim.cli.{_MODULES.get(cmd_name, cmd_name.replace('-', '_'))}")
        command: click.Command = module.command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            from difflib import get_close_matches

            close = get_close_matches(args[0], COMMANDS, 1)
            hint = f" Did you mean '{close[0]}'?" if close else f" There are: {', '.join(COMMANDS)}."
            raise click.UsageError(f"There is no command '{args[0]}'.{hint}", ctx)
        return super().resolve_command(ctx, args)


@click.group(
    cls=Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Exit codes: 0 expectations met, 1 not met, 2 usage or invalid input, 3 internal error or limit, "
    "130 interrupted.",
)
@click.version_option(__version__, prog_name="meshsim", message="%(prog)s %(version)s")
def app() -> None:
    """Replay an Istio service mesh on this machine, without a cluster."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit."""
    keep_out()
    collect_rarely()
    sys.exit(run(arguments))


def run(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code. No exception leaves it."""
    try:
        result: Any = app.main(args=arguments, prog_name="meshsim", standalone_mode=False)
        code = result if isinstance(result, int) else 0
        sys.stdout.flush()
        return code
    except click.exceptions.Exit as leaving:
        return leaving.exit_code
    except (click.Abort, KeyboardInterrupt):
        click.echo("interrupted", err=True)
        return INTERRUPTED
    except click.ClickException as error:
        error.show()
        return 2
    except BrokenPipeError:
        # Whoever read the output has gone; Python would complain once more when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _BROKEN_PIPE
    except Exception as error:
        from meshsim.cli.failing import explain

        return explain(error)
