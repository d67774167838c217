"""Serving the page."""

import os
from pathlib import Path
from typing import Any

from hf_scaling.hub.space.exhibit import read_exhibit
from hf_scaling.records import UserError

_WAITING = 20  # people in the queue; a further one is told to come back


def serve(folder: Path, port: int | None = None) -> int:
    """Serve the exhibit in `folder` until interrupted; `port` None is the first free one from 7860.

    Nothing is fetched from or told to anybody but the Hub, and the Hub only for models that are not here.

    Raises:
        UserError: the folder holds no exhibit, or the port is taken.
    """
    exhibit = read_exhibit(folder)
    os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")  # read when gradio is imported
    from hf_scaling.hub.space.page import build_page
    from hf_scaling.hub.space.show import STYLE

    page = build_page(exhibit)
    quietly: dict[str, Any] = {"quiet": True, "share": False, "footer_links": [], "prevent_thread_lock": True}
    quietly["_frontend"] = False  # else gradio asks itself for the page, and fails where that takes three seconds
    try:
        _, address, _ = page.queue(max_size=_WAITING).launch(server_port=port, css=STYLE, **quietly)
    except (OSError, OverflowError):
        raise UserError(f"port: got {port}, which is taken or none; name another, or none to have one found") from None
    print(f"{exhibit.title}: {address}", flush=True)
    page.block_thread()
    return 0
