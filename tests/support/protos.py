"""Python's view of a .proto file."""

from __future__ import annotations

import importlib
import sys
import tempfile
from pathlib import Path
from types import ModuleType


def generated(file: Path) -> tuple[ModuleType, ModuleType]:
    """The modules that protoc generates from it: the messages, and the stubs of its services."""
    from grpc_tools import protoc

    google = Path(protoc.__file__).parent / "_proto"
    with tempfile.TemporaryDirectory() as out:
        arguments = [f"-I{file.parent}", f"-I{google}", f"--python_out={out}", f"--grpc_python_out={out}"]
        assert protoc.main(["protoc", *arguments, file.name]) == 0
        sys.path.insert(0, out)
        try:
            return importlib.import_module(f"{file.stem}_pb2"), importlib.import_module(f"{file.stem}_pb2_grpc")
        finally:
            sys.path.remove(out)
