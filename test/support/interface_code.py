# SPDX-License-Identifier: Apache-2.0
"""Generates and compiles one message package: `interface_code.py DEFINITIONS WORK`.

The result is WORK/made, a folder for PYTHONPATH. Instead of CMake: the generators are called one
after another and the compiler once for each of the three libraries that rclpy and Fast DDS load.
"""

from __future__ import annotations

import subprocess
import sys
import sysconfig
from pathlib import Path

import numpy as np
from rosidl_cli.command.translate.api import translate
from rosidl_generator_c.cli import GenerateC
from rosidl_generator_py.cli import GeneratePython
from rosidl_generator_type_description.cli import HashTypeDescription
from rosidl_typesupport_c.cli import GenerateCTypesupport
from rosidl_typesupport_fastrtps_c.cli import GenerateFastRTPSCTypesupport
from rosidl_typesupport_introspection_c.cli import GenerateIntrospectionCTypesupport

PREFIX = Path(sys.prefix)
SUPPORTS = ["rosidl_typesupport_fastrtps_c", "rosidl_typesupport_introspection_c"]
KINDS = ("msg", "srv", "action")


def generate(definitions: Path, made: Path, introspection: Path) -> None:
    """Write the code of all interfaces; that of introspection has files of the same names."""
    package = definitions.name
    code = made / package
    files = sorted(p for kind in KINDS for p in (definitions / kind).glob(f"*.{kind}"))
    names = [f"{definitions}:{path.relative_to(definitions)}" for path in files]
    share = [str(PREFIX / "share")]
    idl = translate(
        package_name=package,
        interface_files=names,
        include_paths=share,
        output_format="idl",
        output_path=code / "idl",
    )
    found = [*share, str(code / "idl")]
    HashTypeDescription("").generate_type_hashes(package, idl, found, code)
    for kind in KINDS:  # a message and an action may share their name, and hashes go by name
        some = [name for name in idl if f":{kind}/" in name]
        hashes = [str(code / name.rpartition(":")[2]).replace(".idl", ".json") for name in some]
        if some:
            GenerateC("").generate(package, some, found, code, hashes)
    python = GeneratePython("", typesupport_implementations=["rosidl_typesupport_c"])
    python.generate(package, idl, found, code)
    GenerateFastRTPSCTypesupport("").generate(package, idl, found, code)
    support = GenerateCTypesupport("", typesupport_implementations=SUPPORTS)
    support.generate(package, idl, found, code)
    GenerateIntrospectionCTypesupport("").generate(package, idl, found, introspection / package)
    (code / "__init__.py").touch()


def compile_all(package: str, made: Path, introspection: Path) -> None:
    """Compile the two libraries of type support and Python's module, into the package's folder."""
    code = made / package
    python_side = [*code.rglob("*_s.c"), *code.glob("_*_s.ep.*.c")]
    core = [p for p in code.rglob("*.c*") if p.suffix in (".c", ".cpp") and p not in python_side]
    headers = [made, introspection, PREFIX / "include", *(PREFIX / "include").glob("*/")]
    headers += [Path(sysconfig.get_paths()["include"]), Path(np.get_include())]
    linked = [
        f"-L{code}", f"-L{PREFIX / 'lib'}", f"-Wl,-rpath,{PREFIX / 'lib'}:$ORIGIN",
        "-Wl,--as-needed", "-lfastcdr", "-lrcutils", "-lrmw",
        *(f"-l{path.name[3:-3]}" for path in sorted((PREFIX / "lib").glob("librosidl_*.so"))),
        *(f"-l{path.name[3:-3]}" for path in sorted((PREFIX / "lib").glob("lib*__rosidl_*.so"))),
    ]  # fmt: skip
    # Fast DDS looks for the libraries by name: it finds those that Python's module has loaded.
    own = [f"-l{package}__{support}" for support in SUPPORTS]
    module = f"{package}_s__rosidl_typesupport_c{sysconfig.get_config_var('EXT_SUFFIX')}"
    for name, sources, more in (
        (f"lib{package}__{SUPPORTS[0]}.so", core, []),
        (f"lib{package}__{SUPPORTS[1]}.so", list(introspection.rglob("*.c")), own[:1]),
        (module, python_side, ["-Wl,--no-as-needed", *own]),
    ):
        compiler = ["g++", "-std=c++17"] if any(s.suffix == ".cpp" for s in sources) else ["gcc"]
        objects = _objects(sources, headers, made.parent / "objects")
        command = [*compiler, "-shared", f"-Wl,-soname,{name}", "-o", code / name, *objects]
        subprocess.run([*map(str, command), *more, *linked], check=True)


def _objects(sources: list[Path], headers: list[Path], folder: Path) -> list[Path]:
    folder.mkdir(exist_ok=True)
    result = []
    for number, source in enumerate(sources):
        compiler = ["gcc"] if source.suffix == ".c" else ["g++", "-std=c++17"]
        result.append(folder / f"{source.name}.{number}.o")
        flags = ["-O0", "-fPIC", "-w", *(f"-I{path}" for path in headers)]
        command = [*compiler, *flags, "-c", str(source), "-o", str(result[-1])]
        subprocess.run(command, check=True)
    return result


if __name__ == "__main__":
    definitions, work = Path(sys.argv[1]), Path(sys.argv[2])
    generate(definitions, work / "made", work / "introspection")
    compile_all(definitions.name, work / "made", work / "introspection")
