"""`meshsim inject`: what the sidecar injector makes of pods, and why."""

from __future__ import annotations

from pathlib import Path

import click

from meshsim.cli.manifests import manifests, named
from meshsim.errors import UsageError


@click.command(name="inject")
@manifests
@click.option("--mesh-config", type=click.Path(path_type=Path), help="MeshConfig, or the ConfigMap that holds it.")
@click.option("--reasons", is_flag=True, help="Only say which pods are injected and why.")
def command(paths: tuple[Path, ...], files: tuple[Path, ...], mesh_config: Path | None, reasons: bool) -> int:
    """Print manifests with the sidecars that istiod would inject.

    PATHS are manifests or folders of them, - is standard input. Each pod is decided by its own labels and annotations,
    as by istioctl kube-inject: whether the namespace asks for injection does not count.
    """
    import yaml

    from meshsim.cli.pods import inject_pod, read_pods, settings_from, with_pod

    objects, sources = read_pods(named(paths, files))
    settings = settings_from(mesh_config)
    if not objects:
        raise UsageError("there is no object in these files")
    by_owner = {id(source.owner): source for source in sources}
    documents: list[object] = []
    for item in objects:
        source = by_owner.get(id(item))
        if source is None:
            documents.append(dict(item.body))
            continue
        result = inject_pod(source, settings, objects)
        word = "injected" if result.decision else "left alone"
        why = "; ".join(result.reasons)
        click.echo(f"{item}: {word}{f': {why}' if why else ''}", err=not reasons)
        documents.append(dict(with_pod(source, result.pod) if result.decision else item.body))
    if not reasons:
        click.echo(
            yaml.safe_dump_all([_plain(document) for document in documents], sort_keys=False, default_flow_style=False),
            nl=False,
        )
    return 0


def _plain(value: object) -> object:
    """Mappings and lists of plain types, each written out where it stands."""
    from collections.abc import Mapping

    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value
