"""v1's pipeline names."""

from dispatcher.client.unsupported import module as _module

_PARENT = (
    "there are no pipelines; submit a script that submits the steps as its children: "
    "Run.get_context().submit_child(config), then child.wait_for_completion()."
)
_NAMES = (
    "OutputPortBinding",
    "Pipeline",
    "PipelineData",
    "PipelineDraft",
    "PipelineEndpoint",
    "PipelineParameter",
    "PipelineRun",
    "PublishedPipeline",
    "Schedule",
    "ScheduleRecurrence",
    "StepRun",
    "StepSequence",
    "TrainingOutput",
)
__getattr__ = _module("azureml.pipeline.core", dict.fromkeys(_NAMES, _PARENT))
