# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from importlib import metadata
from pathlib import Path

from calib_tools import doctor


def by_name(findings):
    return {finding.name: finding for finding in findings}


def test_every_finding_that_is_not_good_has_a_remedy_or_is_explained():
    for finding in doctor.examine():
        assert finding.text
        if finding.status == "bad":
            assert finding.remedy


def test_versions_are_those_installed():
    assert by_name(doctor.examine())["numpy"].text == metadata.version("numpy")


def test_a_missing_package_of_the_runtime_is_bad_and_of_the_simulator_a_note(monkeypatch):
    def missing(name):
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr("calib_tools.doctor.metadata.version", missing)
    found = by_name(doctor.examine())
    assert found["torch"].status == "bad"
    assert found["mujoco"].status == "note"
    assert "requirements/torch.txt" in found["torch"].remedy
    runtime = (Path(__file__).parents[2] / "requirements" / "runtime.txt").read_text()
    for name, finding in found.items():
        if finding.remedy.endswith("runtime.txt"):
            assert f"{name}==" in runtime, f"{name} does not come from there"


def test_a_backend_of_another_package_says_what_its_machine_has():
    assert by_name(doctor.examine())["engine's machine"].text == "machine one"


def test_a_profile_that_names_no_file_is_bad(monkeypatch, tmp_path):
    monkeypatch.setenv("FASTRTPS_DEFAULT_PROFILES_FILE", str(tmp_path / "gone.xml"))
    monkeypatch.delenv("FASTDDS_DEFAULT_PROFILES_FILE", raising=False)
    found = by_name(doctor.examine())["DDS profile"]
    assert (found.status, found.remedy) == ("bad", "unset FASTRTPS_DEFAULT_PROFILES_FILE")


def test_a_machine_without_an_engine_or_a_compiler_is_told_what_to_install(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    found = by_name(doctor.examine())["CPU engine"]
    assert found.status == "bad" and "apt install gcc" in found.remedy


def test_without_a_home_the_temporary_folder_and_the_variable_are_named(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", "/proc/nothing")
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    found = by_name(doctor.examine())["cache"]
    assert found.status == "note"
    assert "/proc/nothing" in found.text and str(tmp_path) in found.text
    assert "XDG_CACHE_HOME" in found.remedy
