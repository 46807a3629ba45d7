# SPDX-License-Identifier: Apache-2.0
# A PC (x86-64): Ubuntu 24.04, ROS 2 Jazzy, Python 3.12, the backend cpu.
# Built from the repository's root, on the machine that it is for:
#   docker build -f docker/x86.Dockerfile -t quantvla:x86 .
# .ci/check_docker_names asks the registries for every package named here.
FROM ubuntu:24.04

SHELL ["/bin/bash", "-o", "pipefail", "-c"]
ENV ROS_DISTRO=jazzy DEBIAN_FRONTEND=noninteractive LANG=C.UTF-8

# ROS's own packages: https://docs.ros.org/en/jazzy/Installation/Ubuntu-Install-Debs.html
ARG ROS_APT_SOURCE=1.1.0
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates curl \
    && curl -fsSL -o /tmp/ros.deb "https://github.com/ros-infrastructure/ros-apt-source/releases/download/${ROS_APT_SOURCE}/ros2-apt-source_${ROS_APT_SOURCE}.noble_all.deb" \
    && dpkg -i /tmp/ros.deb \
    && rm -rf /tmp/ros.deb /var/lib/apt/lists/*

# Compilers: of the CPU engine, when the package is installed; cmake builds ruckig where it has no
# wheel. Versions are those of the distribution, whose updates are wanted.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install -y --no-install-recommends \
        cmake \
        g++ \
        gcc \
        git \
        python3-dev \
        python3-pip \
        python3-rosdep \
        python3-venv \
        ros-jazzy-ros-base \
        ros-jazzy-v4l2-camera \
    && rm -rf /var/lib/apt/lists/*

WORKDIR /ws
COPY . src/quantvla_ros
RUN apt-get update \
    && rosdep init \
    && rosdep update --rosdistro jazzy \
    && rosdep install --rosdistro jazzy --from-paths src --ignore-src -y \
    && rm -rf /var/lib/apt/lists/*

# The environment sees the system's packages: rclpy, numpy. Nothing is
# constrained by requirements/constraints.txt: cv_bridge was not built with its numpy.
RUN python3 -m venv --system-site-packages venv && touch venv/COLCON_IGNORE
ENV PATH=/ws/venv/bin:$PATH
ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu
RUN python -m pip install --no-cache-dir --no-deps --index-url "$TORCH_INDEX" \
        -r src/quantvla_ros/requirements/torch.txt \
    && python -m pip install --no-cache-dir \
        -r src/quantvla_ros/requirements/torch.txt \
        -r src/quantvla_ros/requirements/runtime.txt

# hadolint ignore=SC1091
RUN . /opt/ros/jazzy/setup.bash \
    && python -m pip install --no-cache-dir \
        colcon-common-extensions==0.3.0 setuptools==79.0.1 \
    && python -m colcon build --packages-select quantvla_ros

# A user of its own. Fast DDS shares memory only between processes of one user: give the number that
# the camera drivers run with. What is compiled is kept in a volume from start to start.
ARG UID=1000
RUN existing=$(id -nu "$UID" 2>/dev/null || true) \
    && if [ -n "$existing" ]; then userdel -r "$existing"; fi \
    && useradd --create-home --uid "$UID" --groups video robot \
    && install -d -o robot /cache
ENV XDG_CACHE_HOME=/cache ROS_LOG_DIR=/cache/log
VOLUME /cache
USER $UID
WORKDIR /home/robot

COPY docker/entrypoint.sh /entrypoint.sh
ENTRYPOINT ["/entrypoint.sh"]
CMD ["ros2", "run", "quantvla_ros", "quantvla", "doctor"]
