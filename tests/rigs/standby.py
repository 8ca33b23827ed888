"""A PostgreSQL server that follows another, and can take its place without its last commits."""

from tests.rigs.postgres import ACCOUNT, Postgres
from tests.rigs.waiting import until


class Standby(Postgres):
    """A copy of a server. It has what that one commits a moment later, until `cut_off`."""

    def __init__(self, primary: Postgres) -> None:
        self._primary = primary
        super().__init__()

    def _fill(self) -> None:
        source = ["--host", "127.0.0.1", "--port", str(self._primary.port), "--username", ACCOUNT]
        copy = ["--pgdata", f"{self.folder}/data", "--write-recovery-conf", "--no-sync"]
        self._run("pg_basebackup", *source, *copy, "--checkpoint", "fast")

    def catch_up(self) -> None:
        """Return once it has all that the other has committed by now."""
        there = self._primary.ask("SELECT pg_current_wal_flush_lsn()")
        reached = f"SELECT pg_last_wal_replay_lsn() >= '{there}'"
        until(lambda: self.ask(reached), "the standby has caught up", 60)

    def cut_off(self) -> None:
        """From now on it hears nothing more."""
        self.ask("ALTER SYSTEM SET primary_conninfo = ''")
        self.ask("SELECT pg_reload_conf()")
        follows = "SELECT count(*) FROM pg_stat_wal_receiver"
        until(lambda: self.ask(follows) == 0, "it has ceased to follow", 60)

    def promote(self) -> None:
        """From now on it is written to."""
        assert self.ask("SELECT pg_promote()"), "it was not promoted in time"

    def either(self, url: str) -> str:
        """An address of the same database on whichever of both can be written to."""
        database = url.rpartition("/")[2]
        hosts = "&".join(f"host=127.0.0.1:{each.port}" for each in (self._primary, self))
        return f"postgresql+psycopg://{ACCOUNT}@/{database}?{hosts}&target_session_attrs=read-write"
