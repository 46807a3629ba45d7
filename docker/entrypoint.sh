#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Runs a command with ROS and this package on its paths.
set -eo pipefail
source "/opt/ros/$ROS_DISTRO/setup.bash"
source /ws/install/setup.bash
exec "$@"
