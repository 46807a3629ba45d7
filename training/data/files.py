# SPDX-License-Identifier: Apache-2.0
"""Tables of a data set on disk."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from quantvla_ros.whole_file import whole_file

if TYPE_CHECKING:
    import pyarrow as pa


def write_parquet(path: Path, table: pa.Table, group_ends: list[int] | None = None) -> None:
    """Write a table with page checksums, one row group up to each of `group_ends`."""
    import pyarrow.parquet as pq

    with (
        whole_file(path) as temporary,
        pq.ParquetWriter(temporary, table.schema, write_page_checksum=True) as writer,
    ):
        start = 0
        for end in group_ends or [len(table)]:
            writer.write_table(table.slice(start, end - start))
            start = end
