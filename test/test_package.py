# SPDX-License-Identifier: Apache-2.0
"""What must agree between the files that describe the package."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from xml.etree import ElementTree

import pytest
import yaml
from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parent.parent
REQUIREMENTS = ROOT / "requirements"
INSTALLED = (
    "torch",
    "runtime",
    "rosdep",
    "ros-wheels",
    "simulator",
    "test",
    "dev",
    "openvino",
    "peers",
)
PIN = re.compile(r"^(?P<name>[A-Za-z0-9_.-]+)==(?P<version>[^ ;]+)(?: ; (?P<marker>.+))?$")


def package_xml() -> ElementTree.Element:
    return ElementTree.parse(ROOT / "package.xml").getroot()


def entry_points() -> dict[str, str]:
    """Console scripts that setup.py declares, as text: setup.py is not run."""
    text = (ROOT / "setup.py").read_text()
    found = re.findall(r'"(\w+) = ([\w.{}]+):main"', text)
    return {name: module.replace("{NAME}", "quantvla_ros") for name, module in found}


def extras() -> dict[str, list[str]]:
    """What setup.py installs for each extra, as it stands there."""
    for node in ast.walk(ast.parse((ROOT / "setup.py").read_text())):
        if isinstance(node, ast.keyword) and node.arg == "extras_require":
            found: dict[str, list[str]] = ast.literal_eval(node.value)
            return found
    raise AssertionError("setup.py has no extras_require")


def pins(name: str) -> list[re.Match[str]]:
    lines = (REQUIREMENTS / name).read_text().splitlines()
    matches = []
    for line in lines:
        if line and not line.startswith(("#", "-r ")):
            match = PIN.match(line)
            assert match is not None, f"{name}: {line!r} is not an exact pin"
            matches.append(match)
    return matches


def test_every_file_tells_the_same_version() -> None:
    version = package_xml().findtext("version")
    setup = re.search(r'version="([^"]+)"', (ROOT / "setup.py").read_text())
    assert setup is not None and setup.group(1) == version
    changelog = re.findall(r"^(\d+\.\d+\.\d+) ", (ROOT / "CHANGELOG.rst").read_text(), re.M)
    assert changelog[0] == version
    import quantvla_ros

    assert quantvla_ros.__version__ == version


def test_package_xml_is_format_3_and_built_by_ament_python() -> None:
    root = package_xml()
    assert root.get("format") == "3"
    assert root.findtext("name") == "quantvla_ros"
    assert root.findtext("license") == "Apache-2.0"
    assert root.findtext("export/build_type") == "ament_python"
    assert (ROOT / "resource" / "quantvla_ros").is_file()


def ros_imports() -> set[str]:
    """Top-level ROS packages that the installed code imports."""
    names: set[str] = set()
    files = [*(ROOT / "quantvla_ros").rglob("*.py"), *(ROOT / "launch").glob("*.py")]
    for path in files:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                names |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
                names.add(node.module.partition(".")[0])
    ros = re.compile(
        r"rclpy|.*_(msgs|srvs|interfaces)|cv_bridge|bondpy|launch|launch_ros|ament_.*|tf2.*"
    )
    return {name for name in names if ros.fullmatch(name)}


def test_package_xml_names_every_ros_package_that_is_imported() -> None:
    declared = {element.text for element in package_xml().findall("exec_depend")}
    assert ros_imports(), "no ROS import was found: the test looks in the wrong place"
    assert not ros_imports() - declared


def test_console_scripts_point_at_a_main_function() -> None:
    scripts = entry_points()
    assert set(scripts) == {"quantvla", "policy_node"}
    for module in scripts.values():
        path = ROOT / f"{module.replace('.', '/')}.py"
        functions = [
            node.name
            for node in ast.parse(path.read_text()).body
            if isinstance(node, ast.FunctionDef)
        ]
        assert "main" in functions, f"{path} has no main()"


def test_every_source_folder_is_a_package_that_setup_finds() -> None:
    for room in ("quantvla_ros", "calib_tools"):
        for path in (ROOT / room).rglob("*.py"):
            assert (path.parent / "__init__.py").is_file(), f"{path.parent} lacks __init__.py"


@pytest.mark.parametrize(
    "name", sorted(path.name for path in (ROOT / "requirements").glob("*.txt"))
)
def test_requirements_are_exact_and_name_what_pip_installs(name: str) -> None:
    for pin in pins(name):
        # The ROS wheels bring metadata of their content under ROS names; no index has those.
        assert pin["name"] not in ("rclpy", "rcutils"), f"{name}: {pin['name']} has no wheel"
        assert not pin["name"].endswith(("_msgs", "_interfaces")), pin["name"]
        assert "+" not in pin["version"], f"{name}: {pin['name']} has a local version"


@pytest.mark.parametrize("name", [name for name in INSTALLED if name != "torch"])
def test_constraints_agree_with_the_direct_requirements(name: str) -> None:
    constraints = {
        (pin["name"].lower(), pin["marker"]): pin["version"] for pin in pins("constraints.txt")
    }
    for pin in pins(f"{name}.txt"):
        if pin["name"] == "setuptools":
            continue
        assert constraints[pin["name"].lower(), pin["marker"]] == pin["version"]


def test_the_extra_for_training_is_what_its_requirements_add() -> None:
    wanted = [Requirement(text).name for text in extras()["train"]]
    assert sorted(wanted) == sorted({pin["name"] for pin in pins("train.txt")})


@pytest.mark.parametrize("extra", ["ray", "train"])
def test_the_pinned_version_satisfies_the_extra(extra: str) -> None:
    for requirement in map(Requirement, extras()[extra]):
        pinned = [pin["version"] for pin in pins("dev.txt") if pin["name"] == requirement.name]
        assert pinned, f"{requirement.name} is not among the tested packages"
        assert all(version in requirement.specifier for version in pinned)


def test_this_environment_is_the_pinned_one() -> None:
    for name in INSTALLED:
        for pin in pins(f"{name}.txt"):
            old = sys.version_info < (3, 11)
            if pin["marker"] is None or ("<" in pin["marker"]) == old:
                installed = metadata.version(pin["name"]).partition("+")[0]
                assert installed == pin["version"], pin["name"]


@pytest.mark.parametrize(
    ("module", "heavy"),
    [
        ("quantvla_ros.control", ("torch", "rclpy", "mujoco", "pydantic")),
        ("simulation", ("torch", "rclpy")),
        ("quantvla_ros.nodes.policy_node", ("torch", "mujoco", "libero", "matplotlib")),
        ("quantvla_ros.inference.client", ("torch", "rclpy")),
        ("calib_tools.cli", ("torch", "rclpy", "mujoco", "matplotlib")),
    ],
)
def test_a_light_module_stays_light(module: str, heavy: tuple[str, ...]) -> None:
    code = f"import {module}, sys; print([n for n in {heavy!r} if n in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "[]"


def source_files() -> list[Path]:
    rooms = ("quantvla_ros", "calib_tools", "training", "launch", "test", "config")
    kinds = (".py", ".yaml", ".sh")
    files = [path for room in rooms for path in (ROOT / room).rglob("*") if path.suffix in kinds]
    return [path for path in files if "__pycache__" not in path.parts]


def test_every_source_file_states_its_licence() -> None:
    missing = [
        str(path.relative_to(ROOT))
        for path in source_files()
        if not path.read_text(encoding="utf-8").startswith("# SPDX-License-Identifier: Apache-2.0")
    ]
    assert not missing


def test_parameter_files_hold_for_any_node_name() -> None:
    policy = yaml.safe_load((ROOT / "config" / "policy.yaml").read_text())
    assert list(policy) == ["/**"]
    assert "ros__parameters" in policy["/**"]


def pages() -> list[Path]:
    more = (ROOT / "docs").rglob("*.md")
    return [ROOT / "README.md", ROOT / "policies/README.md", *sorted(more)]


def anchors(page: Path) -> set[str]:
    """Names of a page's headings, as in links to them."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.M)
    return {re.sub(r"[^\w -]", "", h.lower()).replace(" ", "-") for h in headings}


@pytest.mark.parametrize("page", pages(), ids=lambda page: str(page.relative_to(ROOT)))
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for target, anchor in re.findall(r"\]\(([^)#\s]*)(?:#([^)\s]+))?\)", text):
        if "://" not in target:
            to = page.parent / target if target else page
            assert to.exists(), f"{page.name} links to {target}"
            assert not anchor or anchor in anchors(to), f"{page.name} links to {target}#{anchor}"


ROOMS = "quantvla_ros|calib_tools|simulation|studies|training"


@pytest.mark.parametrize("page", pages(), ids=lambda page: str(page.relative_to(ROOT)))
def test_files_and_modules_that_a_page_names_are_there(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for name in re.findall(rf"`((?:{ROOMS}|test|config|launch|requirements)/[\w./-]+)`", text):
        assert (ROOT / name).exists(), f"{page.name} names {name}"
    for name in re.findall(rf"python -m ((?:{ROOMS})[\w.]*)", text):
        place = ROOT / name.rstrip(".").replace(".", "/")
        found = place.with_suffix(".py").is_file() or (place / "__main__.py").is_file()
        assert found or place.name == "NAME", f"{page.name} names {name}"


def shell_lines(text: str) -> list[str]:
    blocks = re.findall(r"^```bash\n(.*?)^```$", text, re.M | re.S)
    return [line for block in blocks for line in block.splitlines()]


def test_the_readme_installs_and_starts_as_the_how_to_does() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    section = readme.partition("## On a robot\n")[2].partition("The INT8 bundle is made")[0]
    how_to = (ROOT / "docs/how-to/install-on-a-robot.md").read_text(encoding="utf-8")
    explained = iter(shell_lines(how_to))
    told = shell_lines(section)
    assert len(told) > 10 and all(line in explained for line in told), "in the same order"
    build = re.search(r"^```bash\n(.*?)^```$", section, re.M | re.S)
    assert build is not None and build.group(0) in how_to, "without a line between"
    # Ubuntu 24.04 refuses pip outside of an environment.
    environment = next(i for i, line in enumerate(told) if line.startswith("source venv/"))
    assert all(i > environment for i, line in enumerate(told) if "pip install" in line)


def test_every_documentation_page_can_be_reached_from_the_readme() -> None:
    seen: set[Path] = set()
    waiting = [ROOT / "README.md"]
    while waiting:
        page = waiting.pop()
        if page in seen or page.suffix != ".md" or not page.is_file():
            continue
        seen.add(page)
        for target in re.findall(r"\]\(([^)#\s]+)", page.read_text(encoding="utf-8")):
            if "://" not in target:
                waiting.append((page.parent / target).resolve())
    assert not set(pages()) - seen
