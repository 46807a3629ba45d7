# SPDX-License-Identifier: Apache-2.0
"""A test that fails is named at once: a run that is cut off has no summary."""

from __future__ import annotations


class FailingNow:
    """The plugin for pytest; what a crash of a process ended comes here as well."""

    def __init__(self, config) -> None:
        self._config = config

    def pytest_runtest_logreport(self, report):
        terminal = self._config.pluginmanager.getplugin("terminalreporter")
        if report.failed and terminal:  # the processes of xdist have none
            error = getattr(report.longrepr, "reprcrash", None)
            text = (error.message if error else str(report.longrepr)).strip().splitlines()
            terminal.write_line(f"\nFAILED {report.nodeid}: {text[0] if text else report.when}")
