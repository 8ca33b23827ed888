# A base for runs with GPUs: the CUDA runtime, and Python with a pip of its own. Frameworks bring
# the rest as packages (torch, tensorflow[and-cuda]). Name it in a run's environment:
#   docker build -f images/gpu.Dockerfile -t dispatcher-gpu:1 .
#   environment.docker.base_image = "dispatcher-gpu:1"
ARG CUDA=12.4.1
FROM nvidia/cuda:${CUDA}-runtime-ubuntu22.04
ENV DEBIAN_FRONTEND=noninteractive LANG=C.UTF-8 PYTHONUNBUFFERED=1
RUN apt-get update \
    && apt-get install -y --no-install-recommends python3 python3-pip ca-certificates \
    && ln -s python3 /usr/bin/python \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /work
