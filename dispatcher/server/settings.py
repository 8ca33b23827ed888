"""Settings of a service: variables `DISPATCHER_…`, with defaults for the embedded service."""

import hashlib
import os
import pwd
import tempfile
from pathlib import Path

from pydantic import Field, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from dispatcher.access.principals import OWNER_NAME
from dispatcher.core.errors import DispatcherError
from dispatcher.store.database import SQLITE_PREFIX
from dispatcher.wire.sockets import socket_folder


def _account() -> str:
    """The name of the account that the service runs under."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:  # an account without an entry, as in some containers
        return OWNER_NAME


def _temporary_folder() -> str:
    """The temporary directory; /tmp where none can be written."""
    try:
        return tempfile.gettempdir()
    except FileNotFoundError:
        return "/tmp"


class Settings(BaseSettings):
    """Settings of one service process.

    `data_dir` holds everything of an embedded service. `database_url` and `blob_root` move the
    database and the snapshots elsewhere. `host` and `port` (0 = any free one) are where it listens;
    it also listens on a Unix socket.
    """

    model_config = SettingsConfigDict(env_prefix="DISPATCHER_")

    data_dir: Path
    database_url: str = ""
    blob_root: str = ""
    host: str = "127.0.0.1"
    port: int = Field(0, ge=0, le=65535)
    public_url: str = ""  # how nodes reach this service; the default is where it listens
    token: str = ""  # the owner's; made at the first start
    signing_key: str = ""  # of the tokens of runs and agents; made at the first start
    owner_name: str = Field(default_factory=_account)  # who submits with the owner's token
    max_body_mb: int = Field(64, ge=1)
    workspace: str = "dispatcher"  # what runs read of their workspace, in v1's terms
    subscription: str = "00000000-0000-0000-0000-000000000000"
    resource_group: str = "dispatcher"
    take_over: bool = False  # of a service on the same database that is gone for good
    log_level: str = "INFO"
    interactive_end_seconds: float = Field(3600.0, ge=0)  # without its process; then it fails
    job_umask: int = -1  # of jobs on this machine; -1: the umask of this process
    job_files: int | None = None  # their soft limit of open files; None: that of this process

    @field_validator("host")
    @classmethod
    def _plain_host(cls, host: str) -> str:
        """An IPv6 address without its brackets; the default for an empty text."""
        text = host.strip()
        if text.startswith("[") and text.endswith("]"):
            text = text[1:-1]
        return text or "127.0.0.1"

    @property
    def store_url(self) -> str:
        return self.database_url or f"{SQLITE_PREFIX}{self.data_dir / 'dispatcher.db'}"

    @property
    def shared(self) -> bool:
        """Whether other processes may write to the same store."""
        return not self.store_url.startswith("sqlite")

    @property
    def database_file(self) -> Path | None:
        """The database, where it is a file."""
        path = None if self.shared else self.store_url.removeprefix(SQLITE_PREFIX)
        return Path(path) if path else None

    @property
    def blobs(self) -> str:
        return self.blob_root or str(self.data_dir / "blobs")

    @property
    def socket_dir(self) -> Path:
        """The private folder of all sockets; the data folder keeps its name."""
        owner = str(self.data_dir.resolve())
        key = hashlib.sha256(os.fsencode(owner)).hexdigest()[:12]
        earlier = Path(_temporary_folder()) / f"dispatcher-{os.geteuid()}-{key}"
        self.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        return Path(socket_folder(str(self.data_dir / "sockets.json"), owner, str(earlier)))

    @property
    def socket(self) -> Path:
        """The service's socket, alone in its folder: that folder is what containers are given."""
        return self.socket_dir / "service" / "s"


def read_settings(data_dir: Path) -> Settings:
    """The settings of the service of a data folder, from the variables `DISPATCHER_…`.

    Raises:
        DispatcherError: A variable has a value that is not possible; the text names each.
    """
    try:
        return Settings(data_dir=data_dir)
    except ValidationError as error:
        faults = (
            f"DISPATCHER_{str(fault['loc'][0]).upper()}: {fault['msg']}, got {fault['input']!r}"
            for fault in error.errors()
        )
        raise DispatcherError("; ".join(faults)) from error
