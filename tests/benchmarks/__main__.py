"""`make bench`: every benchmark, one after the other, each as ratios measured in one run."""

import importlib
import sys
import traceback

ALL = (
    "fanout_bench",
    "submit_bench",
    "latency_bench",
    "engine_bench",
    "events_bench",
    "context_bench",
    "cli_bench",
    "agent_bench",
    "docker_bench",
    "ray_bench",
    "listing_bench",
    "mlflow_bench",
    "sweep_bench",
    "training_bench",
)


def main(names: list[str]) -> int:
    failed = 0
    for name in names or ALL:
        print(f"\n== {name.removesuffix('_bench')}", flush=True)
        try:
            importlib.import_module(f"tests.benchmarks.{name}").main()
        except Exception:
            traceback.print_exc()
            failed += 1
    return min(failed, 1)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
