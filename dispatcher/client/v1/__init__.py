"""Workspace, Experiment, Run, … with Azure ML v1's names and manners: thin faces over `api`.

The modules import one way: workspaces, experiments, sweeps, runs, compute targets, environments,
configurations. Azure ML's classes also refer upwards (a run has an experiment); such a class is
taken from `class_registry`, which is filled here and loads a class with its first use.
"""

from __future__ import annotations

from dispatcher.client.v1 import class_registry

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def _workspace() -> Any:
    from dispatcher.client.v1.workspaces.workspace import Workspace

    return Workspace


def _experiment() -> Any:
    from dispatcher.client.v1.workspaces.experiment import Experiment

    return Experiment


def _run() -> Any:
    from dispatcher.client.v1.runs.run import Run

    return Run


def _submitted_run() -> Any:
    from dispatcher.client.v1.runs.submitted_run import SubmittedRun

    return SubmittedRun


def _hyperdrive_run() -> Any:
    from dispatcher.client.v1.sweeps.run import HyperDriveRun

    return HyperDriveRun


def _aml_compute() -> Any:
    from dispatcher.client.v1.compute.amlcompute import AmlCompute

    return AmlCompute


def _remote_compute() -> Any:
    from dispatcher.client.v1.compute.remote_compute import RemoteCompute

    return RemoteCompute


class_registry.define("Workspace", _workspace)
class_registry.define("Experiment", _experiment)
class_registry.define("Run", _run)
class_registry.define("SubmittedRun", _submitted_run)
class_registry.define("HyperDriveRun", _hyperdrive_run)
class_registry.define("AmlCompute", _aml_compute)
class_registry.define("RemoteCompute", _remote_compute)
