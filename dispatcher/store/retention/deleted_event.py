"""The event of a run's deletion, and which of its properties outlive it."""

from dispatcher.store.events.contract import RUN_KIND, NewEvent

DELETED_KIND = f"{RUN_KIND}Deleted"
MODEL_PREFIX = "model:"  # properties that record a registered model (`services.models`)


def deleted_event(run_id: str, at: float) -> NewEvent:
    """The event that tells every reader of the log that a run is gone."""
    return NewEvent(DELETED_KIND, run_id, at, {}, run_id)
