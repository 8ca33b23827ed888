# The base that Docker targets take by default, and what an own one needs: python3 (3.8 or newer) on
# the PATH. Environments are installed on top of it. Build it with another version by
#   docker build -f images/python.Dockerfile --build-arg VERSION=3.12 -t dispatcher-python:3.12 .
ARG VERSION=3.11
FROM python:${VERSION}-slim
ENV LANG=C.UTF-8 PYTHONUNBUFFERED=1
WORKDIR /work
