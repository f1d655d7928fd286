# pytake-api, pytake-worker, pytake-sandbox and the `pytake` command in one image.
ARG PYTHON_IMAGE=python:3.11.14-slim-bookworm

FROM ${PYTHON_IMAGE} AS build
WORKDIR /src
COPY requirements/bootstrap.txt requirements/runtime.txt requirements/
RUN python -m venv /opt/pytake \
 && /opt/pytake/bin/pip install --no-cache-dir --require-hashes -r requirements/bootstrap.txt \
 && /opt/pytake/bin/uv pip install --no-cache --python /opt/pytake/bin/python --require-hashes -r requirements/runtime.txt
COPY pyproject.toml README.md LICENSE ./
COPY src src
RUN /opt/pytake/bin/uv pip install --no-cache --python /opt/pytake/bin/python --no-deps --no-build-isolation . \
 && rm /opt/pytake/bin/uv /opt/pytake/bin/uvx

FROM ${PYTHON_IMAGE}
RUN groupadd --system --gid 10001 pytake \
 && useradd --system --uid 10001 --gid pytake --home-dir /nonexistent --no-create-home pytake \
 && install -d -o pytake -g pytake /var/log/pytake /var/lib/pytake
COPY --from=build /opt/pytake /opt/pytake
COPY docs/runbooks /opt/pytake/share/runbooks
ENV PATH=/opt/pytake/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTAKE_LOG_DIR=/var/log/pytake \
    PYTAKE_DATA_DIR=/var/lib/pytake \
    PYTAKE_RUNBOOKS_DIR=/opt/pytake/share/runbooks
USER pytake
WORKDIR /var/lib/pytake
CMD ["pytake-api"]
