"""The command line: `meshsim COMMAND`. Commands import what they need when they are called."""

from meshsim.cli.app import main

__all__ = ["main"]
