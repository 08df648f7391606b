"""Write type stubs for the installed xDS protobufs to ``typings/`` (xds-protos carries none).

Feeds the descriptors of every v3 module to ``protoc-gen-mypy``; run before ``mypy`` and never commit the result.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

from google.protobuf import descriptor_pb2, descriptor_pool
from google.protobuf.compiler import plugin_pb2

from meshsim.xds import messages
from meshsim.xds.packing import import_all_messages

TARGET = Path(__file__).resolve().parent.parent / "typings"


def _closure(names: list[str]) -> list[descriptor_pb2.FileDescriptorProto]:
    pool = descriptor_pool.Default()
    seen: dict[str, descriptor_pb2.FileDescriptorProto] = {}

    def visit(name: str) -> None:
        if name in seen:
            return
        proto = descriptor_pb2.FileDescriptorProto()
        descriptor = pool.FindFileByName(name)
        for dependency in descriptor.dependencies:
            visit(dependency.name)
        descriptor.CopyToProto(proto)
        seen[name] = proto

    for name in names:
        visit(name)
    return list(seen.values())


def main() -> None:
    """Generate the stubs of every module that `meshsim.xds.messages` re-exports, and of what they need."""
    import_all_messages()
    wanted = sorted(
        module.DESCRIPTOR.name
        for module in vars(messages).values()
        if hasattr(module, "DESCRIPTOR") and not module.DESCRIPTOR.name.startswith("google/protobuf/")
    )
    files = _closure(wanted)
    generate = [f.name for f in files if not f.name.startswith("google/protobuf/")]
    request = plugin_pb2.CodeGeneratorRequest(file_to_generate=generate, proto_file=files)
    plugin = shutil.which("protoc-gen-mypy") or str(Path(sys.executable).parent / "protoc-gen-mypy")
    done = subprocess.run([plugin], input=request.SerializeToString(), capture_output=True, check=True)
    response = plugin_pb2.CodeGeneratorResponse.FromString(done.stdout)
    if response.error:
        raise SystemExit(response.error)
    shutil.rmtree(TARGET, ignore_errors=True)
    for file in response.file:
        path = TARGET / file.name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(file.content, encoding="utf-8")
        for parent in path.relative_to(TARGET).parents:
            init = TARGET / parent / "__init__.pyi"
            if str(parent) != "." and not init.exists():
                init.write_text("", encoding="utf-8")
    print(f"{len(response.file)} stubs in {TARGET.name}/")


if __name__ == "__main__":
    main()
