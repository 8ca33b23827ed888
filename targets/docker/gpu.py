"""GPUs of a Docker engine: the device request of a container, and the meaning of refusals.

The engine does not allocate devices. A request for a *count* always gets the first devices, also
those in use, so a request always names ids. Of several requests in one container only the last
counts, so there is exactly one.
"""

from collections.abc import Callable, Mapping, Sequence
from http import HTTPStatus
from typing import Any, Literal

from docker.errors import APIError, ImageNotFound, NotFound
from docker.types import DeviceRequest

from targets.base import LaunchRefused, TargetError, TargetUnavailable

Mode = Literal["runtime", "cdi"]
CDI_KIND = "nvidia.com/gpu"
NO_DRIVER = "could not select device driver"
NO_DEVICE = ("unresolvable CDI devices", "unknown device", "CDI device injection failed")


def request(gpus: Sequence[str], mode: Mode) -> DeviceRequest | None:
    """The request that gives a container exactly these devices."""
    if not gpus:
        return None
    if mode == "cdi":
        names = [gpu if "=" in gpu else f"{CDI_KIND}={gpu}" for gpu in gpus]
        return DeviceRequest(driver="cdi", device_ids=names)
    return DeviceRequest(device_ids=list(gpus), capabilities=[["gpu"]])


def modes(requested: str, info: Mapping[str, Any]) -> tuple[Mode, ...]:
    """The ways to request devices from this engine, the likelier first."""
    if requested == "cdi":
        return ("cdi",)
    if requested == "runtime" or not info.get("CDISpecDirs"):
        return ("runtime",)
    device_ids = [device.get("ID", "") for device in info.get("DiscoveredDevices") or ()]
    return (
        ("cdi", "runtime") if any(CDI_KIND in name for name in device_ids) else ("runtime", "cdi")
    )


def offered(info: Mapping[str, Any], local: Sequence[str]) -> tuple[str, ...]:
    """The GPUs that an engine can give to containers.

    Args:
        info: The engine's information about itself.
        local: The GPUs of its machine, by index, as far as they are known.
    """
    devices = [str(each.get("ID", "")) for each in info.get("DiscoveredDevices") or ()]
    names = [name.removeprefix(f"{CDI_KIND}=") for name in devices if name.startswith(CDI_KIND)]
    indices = sorted({name for name in names if name.isdecimal()}, key=int)
    if indices:
        return tuple(indices)
    return tuple(local) if "nvidia" in (info.get("Runtimes") or {}) else ()


def is_about_gpus(error: APIError) -> bool:
    """Whether an engine refused the way of requesting devices, or one of the devices."""
    return NO_DRIVER in str(error) or any(log_tail in str(error) for log_tail in NO_DEVICE)


def refuse_podman(version: Mapping[str, Any], url: str) -> None:
    """Raise LaunchRefused if the engine is Podman, which ignores device requests silently."""
    parts = version.get("Components") or [{}]
    if "podman" in str(parts[0].get("Name", "")).lower():
        raise LaunchRefused(
            f"the engine at {url} is Podman, whose Docker interface ignores device requests; "
            "use a Docker engine for runs with GPUs"
        )


def explain(error: APIError, *, image: str, url: str) -> TargetError:
    """The error of a job whose create or start an engine refused, with advice."""
    text = str(error.explanation or error)
    if isinstance(error, ImageNotFound) or "No such image" in text:
        return LaunchRefused(f"no image {image!r} at {url}; get it there: docker pull {image}")
    if isinstance(error, NotFound) and "network" in text:
        return LaunchRefused(f"the Docker engine at {url} lacks the target's network: {text}")
    for log_tail, meaning in _MEANINGS.items():
        if log_tail in text:
            return LaunchRefused(meaning(url, image, text))
    status = error.status_code or HTTPStatus.INTERNAL_SERVER_ERROR
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return TargetUnavailable(f"the Docker engine at {url} failed: {text}")
    return LaunchRefused(f"the Docker engine at {url} refused: {text}")


def _no_driver(url: str, _image: str, _text: str) -> str:
    return (
        f"the Docker engine at {url} has no GPU support: install the NVIDIA Container Toolkit on "
        "that host and restart dockerd, or give the target gpu_mode: cdi"
    )


def _no_device(url: str, _image: str, text: str) -> str:
    return (
        f"the Docker engine at {url} does not have a GPU that the target names: {text}; "
        "correct the target's gpus (for CDI, list them with: nvidia-ctk cdi list)"
    )


def _no_command(_url: str, image: str, text: str) -> str:
    return f"image {image!r} cannot start a run: it needs python3 in its PATH ({text})"


def _no_files(url: str, _image: str, text: str) -> str:
    return f"the Docker engine at {url} does not see this machine's files: {text}"


_MEANINGS: Mapping[str, Callable[[str, str, str], str]] = {
    NO_DRIVER: _no_driver,
    **dict.fromkeys(NO_DEVICE, _no_device),
    "executable file not found": _no_command,
    "bind source path does not exist": _no_files,
}
