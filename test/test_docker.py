# SPDX-License-Identifier: Apache-2.0
"""The images cannot be built in CI: what can be said without Docker is said here."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]
IMAGES = ("jetpack6", "jetpack7", "x86")
MACHINES = ("jetson", "x86")


@pytest.mark.parametrize("image", IMAGES)
def test_what_an_image_takes_from_pip_is_pinned_as_the_requirements_are(image):
    text = (ROOT / "docker" / f"{image}.Dockerfile").read_text()
    pinned = set(re.findall(r"^([\w-]+==[\w.]+)", _requirements(), re.MULTILINE))
    assert set(re.findall(r"\s([\w-]+==[\w.]+)", text)) <= pinned
    for file in re.findall(r"requirements/([\w.]+txt)", text):
        assert (ROOT / "requirements" / file).is_file(), file


def _requirements() -> str:
    return "\n".join(path.read_text() for path in (ROOT / "requirements").glob("*.txt"))


@pytest.mark.parametrize("image", IMAGES)
def test_an_image_runs_as_a_user_and_keeps_its_cache(image):
    text = (ROOT / "docker" / f"{image}.Dockerfile").read_text()
    assert text.rindex("USER $UID") > text.rindex("apt-get install")
    assert "VOLUME /cache" in text and "XDG_CACHE_HOME=/cache" in text


@pytest.mark.parametrize("machine", MACHINES)
def test_a_machine_starts_node_and_cameras_with_the_shipped_profile(machine):
    content = yaml.safe_load((ROOT / "docker" / f"compose.{machine}.yaml").read_text())
    services = content["services"]
    assert set(services) == {"policy", "camera-front", "camera-wrist"}
    assert (ROOT / "config" / "fastdds.xml").is_file()
    for name, service in services.items():
        assert service["network_mode"] == service["ipc"] == "host", name
        profile = service["environment"]["FASTDDS_DEFAULT_PROFILES_FILE"]
        assert profile.endswith("share/quantvla_ros/config/fastdds.xml")
        assert service["user"] == "${ROBOT_UID:-1000}"  # no shell lets UID be set
    assert "policy.launch.py bundle:=/bundle robot:=/robot.yaml" in services["policy"]["command"]
    assert "cache:/cache" in services["policy"]["volumes"]
    for camera in ("front", "wrist"):
        assert f"-r image_raw:=${{{camera.upper()}_TOPIC" in services[f"camera-{camera}"]["command"]
