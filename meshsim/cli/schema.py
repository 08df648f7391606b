"""`meshsim schema`: what an editor needs to complete and check scenario files."""

from __future__ import annotations

from pathlib import Path

import click


@click.command(name="schema")
@click.option(
    "--write",
    "target",
    type=click.Path(path_type=Path, dir_okay=False),
    is_flag=False,
    flag_value=Path(".meshsim/scenario.schema.json"),
    help="Write it to a file (by default .meshsim/scenario.schema.json) and print the line that scenarios begin with.",
)
def command(target: Path | None) -> int:
    """Print the JSON Schema of scenario files."""
    from meshsim.scenario.schema import schema_text

    text = schema_text()
    if target is None:
        click.echo(text)
        return 0
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text + "\n", encoding="utf-8")
    except OSError as error:
        raise click.ClickException(f"'{target}' cannot be written: {error.strerror}") from error
    click.echo(f"# yaml-language-server: $schema={target.resolve().as_uri()}")
    return 0
