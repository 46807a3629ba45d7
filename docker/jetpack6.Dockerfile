# SPDX-License-Identifier: Apache-2.0
# JetPack 6.2 (Jetson Orin): Ubuntu 22.04, ROS 2 Humble, Python 3.10, TensorRT 10.3.
# Built from the repository's root, on the machine that it is for:
#   docker build -f docker/jetpack6.Dockerfile -t quantvla:jetpack6 .
# .ci/check_docker_names asks the registries for every package named here.
# With CUDA 12.6 and TensorRT 10.3: https://catalog.ngc.nvidia.com/orgs/nvidia/containers/l4t-jetpack
FROM nvcr.io/nvidia/l4t-jetpack:r36.4.0

SHELL ["/bin/bash", "-o", "pipefail", "-c"]
ENV ROS_DISTRO=humble DEBIAN_FRONTEND=noninteractive LANG=C.UTF-8

# ROS's own packages: https://docs.ros.org/en/humble/Installation/Ubuntu-Install-Debs.html
ARG ROS_APT_SOURCE=1.1.0
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates curl \
    && curl -fsSL -o /tmp/ros.deb "https://github.com/ros-infrastructure/ros-apt-source/releases/download/${ROS_APT_SOURCE}/ros2-apt-source_${ROS_APT_SOURCE}.jammy_all.deb" \
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
        ros-humble-ros-base \
        ros-humble-v4l2-camera \
    && rm -rf /var/lib/apt/lists/*

WORKDIR /ws
COPY . src/quantvla_ros
RUN apt-get update \
    && rosdep init \
    && rosdep update --rosdistro humble \
    && rosdep install --rosdistro humble --from-paths src --ignore-src -y \
    && rm -rf /var/lib/apt/lists/*

# The environment sees the system's packages: rclpy, numpy and TensorRT. Nothing is
# constrained by requirements/constraints.txt: cv_bridge was not built with its numpy.
RUN python3 -m venv --system-site-packages venv && touch venv/COLCON_IGNORE
ENV PATH=/ws/venv/bin:$PATH
RUN python -m pip install --no-cache-dir \
        -r src/quantvla_ros/requirements/jetpack6.txt \
        -r src/quantvla_ros/requirements/runtime.txt
# TensorRT's ONNX parser builds engines. Torch-TensorRT needs a PyTorch with CUDA, which PyPI does not
# have for Arm: --build-arg JETSON_INDEX=https://pypi.jetson-ai-lab.io/jp6/cu126
ARG JETSON_INDEX=
RUN if [ -n "$JETSON_INDEX" ]; then \
        python -m pip install --no-cache-dir --no-deps --force-reinstall \
            --index-url "$JETSON_INDEX" \
            -r src/quantvla_ros/requirements/jetpack6-torch-tensorrt.txt; \
    fi

# hadolint ignore=SC1091
RUN . /opt/ros/humble/setup.bash \
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
