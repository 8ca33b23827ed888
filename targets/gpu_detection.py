"""The NVIDIA GPUs of this machine, as its driver lists them, and the GPUs of a target that is
attached without naming any.

The driver has a folder for each GPU below `/proc/driver/nvidia/gpus`, named by its PCI address. In
the order of these addresses the GPUs are numbered from 0, as `nvidia-smi` does it and as
`CUDA_DEVICE_ORDER=PCI_BUS_ID` does.
"""

import re
from dataclasses import dataclass
from pathlib import Path

DRIVER = Path("/proc/driver/nvidia/gpus")
_FIELD = re.compile(r"^(Model|GPU UUID):\s*(.+?)\s*$", re.MULTILINE)


@dataclass(frozen=True)
class DetectedGpu:
    """A GPU: its number on this machine, its UUID and its model."""

    index: int
    uuid: str
    model: str


def detect_gpus(driver: Path = DRIVER) -> tuple[DetectedGpu, ...]:
    """The GPUs, by number; none on a machine without the driver."""
    try:
        folders = sorted(driver.iterdir())
    except OSError:
        return ()
    found = []
    for index, folder in enumerate(folders):
        fields = dict(_FIELD.findall(_read(folder / "information")))
        found.append(
            DetectedGpu(index, fields.get("GPU UUID", str(index)), fields.get("Model", ""))
        )
    return tuple(found)


def _read(file: Path) -> str:
    try:
        return file.read_text(errors="replace")
    except OSError:
        return ""
