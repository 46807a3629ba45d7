# SPDX-License-Identifier: Apache-2.0
"""Installs the runtime package and the command line; colcon and pip both read this file."""

import importlib.util
from pathlib import Path
from types import ModuleType

from setuptools import Distribution, find_packages, setup
from setuptools.command.build_py import build_py

NAME = "quantvla_ros"
ROOT = Path(__file__).parent
ENGINE = Path(NAME, "backends", "cpu", "engine")


def share(folder: str) -> list[tuple[str, list[str]]]:
    """Every file below a folder, with the place below share/ that keeps its path."""
    found: dict[str, list[str]] = {}
    for path in sorted((ROOT / folder).rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts:
            relative = path.relative_to(ROOT)
            found.setdefault(f"share/{NAME}/{relative.parent}", []).append(str(relative))
    return list(found.items())


def engine_build() -> ModuleType:
    """The module that compiles the engine of the backend `cpu`, without importing the package."""
    spec = importlib.util.spec_from_file_location("engine_build", ROOT / ENGINE / "build.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class BuildWithEngine(build_py):
    """Puts the compiled engine into what is installed, so that a robot needs no compiler.

    Where this machine has none, the engine is compiled at its first use.
    """

    def run(self) -> None:
        """Copy the modules, then compile beside them."""
        super().run()
        if not getattr(self, "editable_mode", False):
            engine_build().build_all(Path(self.build_lib) / ENGINE)


class Installed(Distribution):
    """Knows that a compiled engine makes a package of one architecture."""

    def has_ext_modules(self) -> bool:
        """True when there is a compiler for it."""
        return engine_build().c_compiler() is not None


setup(
    name=NAME,
    cmdclass={"build_py": BuildWithEngine},
    distclass=Installed,
    version="0.1.0",
    packages=find_packages(include=[NAME, f"{NAME}.*", "calib_tools", "calib_tools.*"]),
    package_data={"": ["*.yaml", "*.c", "*.h", "*.html", "*.j2", "*.css", "py.typed"]},
    data_files=[
        ("share/ament_index/resource_index/packages", [f"resource/{NAME}"]),
        (f"share/{NAME}", ["package.xml"]),
        *share("launch"),
        *share("config"),
        *share("policies"),
    ],
    install_requires=["setuptools"],
    python_requires=">=3.10",
    zip_safe=False,
    author="quantvla_ros maintainers",
    description="INT8 vision-language-action policies on a ROS 2 robot",
    license="Apache-2.0",
    extras_require={
        "ray": ["ray>=2.9"],  # quantvla evaluate --ray
        # quantvla select of LeRobot data sets; older wheels of OpenCV decode no AV1
        "lerobot": ["pyarrow>=15", "opencv-python>=4.14"],
        "train": ["pyarrow>=15"],  # the data sets of training/, with page checksums
    },
    entry_points={
        "console_scripts": [
            "quantvla = calib_tools.cli:main",
            f"policy_node = {NAME}.nodes.policy_node:main",
        ],
    },
)
