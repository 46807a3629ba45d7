# SPDX-License-Identifier: Apache-2.0
"""Pictures of one episode of a data set, as an animation.

`python -m training.contact_sheet DATASET --episode N --out FILE.gif`
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from PIL import Image, ImageDraw

from calib_tools.common.failures import told
from quantvla_ros.bundle.directory import check_writable
from quantvla_ros.errors import QuantVLAError
from quantvla_ros.whole_file import whole_file
from training.data.reader import DataSet
from training.data.schema import IMAGE_KEYS

SCALE = 2
CAPTION_HEIGHT = 14
_BACKGROUND, _INK, _DISTURBED_INK = (24, 24, 24), (235, 235, 235), (255, 170, 60)


def frame_picture(frames: dict[str, Any], index: int) -> Image.Image:
    """Both cameras side by side under a caption, which is orange while the arm is disturbed."""
    pictures = np.concatenate([frames[key][index] for key in IMAGE_KEYS], axis=1)
    height, width, _ = pictures.shape
    view = Image.fromarray(pictures).resize((width * SCALE, height * SCALE), Image.Resampling.BOX)
    out = Image.new("RGB", (view.width, view.height + CAPTION_HEIGHT), _BACKGROUND)
    out.paste(view, (0, CAPTION_HEIGHT))
    caption = f"{frames['timestamp'][index]:.1f} s  {frames['task'][index]}"
    ink = _DISTURBED_INK if frames["disturbed"][index] else _INK
    ImageDraw.Draw(out).text((3, 1), caption, ink)
    return out


def write_pictures(data: DataSet, episode: int, out: Path) -> None:
    """Write the pictures of an episode as a GIF, at the pace of the data set.

    Raises:
        QuantVLAError: `out` is to be something else, or there is no such episode.
    """
    if out.suffix != ".gif":
        raise QuantVLAError(f"{out} must end in .gif.")
    frames = data.episode(episode)
    views = [frame_picture(frames, index) for index in range(len(frames["timestamp"]))]
    period_ms = round(1000 / data.info["fps"])
    with whole_file(out) as temporary:
        views[0].save(
            temporary, "GIF", save_all=True, append_images=views[1:], duration=period_ms, loop=0
        )


def main(
    dataset: Annotated[Path, typer.Argument(help="Directory of the data set.")],
    out: Annotated[Path, typer.Option(help="GIF to write.")],
    episode: Annotated[int, typer.Option(help="Number of the episode.")] = 0,
) -> None:
    """Show an episode of a data set."""
    with told("contact_sheet"):
        check_writable(out)
        write_pictures(DataSet(dataset), episode, out)
        print(out)


if __name__ == "__main__":
    typer.run(main)
