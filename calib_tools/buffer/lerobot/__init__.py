# SPDX-License-Identifier: Apache-2.0
"""LeRobot data sets (2.1 and 3.0: parquet and mp4) as a source of calibration buffers."""
