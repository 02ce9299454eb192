# The services in Python: the learner (`gradus_learner.serve`) and the built-in engine (`gradus_learner.engine`).
ARG BUILD_IMAGE=python:3.12.12-slim-bookworm
# The same Python at the same path as in BUILD_IMAGE. One with CUDA's tools is named here; PyTorch's wheels for CUDA bring its libraries.
ARG RUNTIME_IMAGE=python:3.12.12-slim-bookworm

FROM ${BUILD_IMAGE} AS build
# https://download.pytorch.org/whl/cu128 for GPUs; empty takes the index that pip has.
ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu
WORKDIR /opt/gradus
COPY services/learner/requirements.txt ./
# Wheels that were fetched before, for a builder that reaches no index. Mostly only a file that says so.
COPY deploy/docker/wheels /wheels
RUN python3 -m venv venv \
  && venv/bin/pip install -q --no-cache-dir --no-compile --find-links /wheels ${TORCH_INDEX:+--index-url "$TORCH_INDEX"} "$(grep '^torch==' requirements.txt)" \
  && venv/bin/pip install -q --no-cache-dir --no-compile --find-links /wheels -r requirements.txt \
  && venv/bin/pip uninstall -q -y pip setuptools \
  && python3 -m venv /sbom \
  && /sbom/bin/pip install -q --no-cache-dir cyclonedx-bom==7.5.0 \
  && /sbom/bin/cyclonedx-py environment --output-format JSON --output-file sbom.cdx.json venv/bin/python \
  # Headers and static libraries are for building extensions; tests are for PyTorch's authors.
  && rm -rf venv/lib/python3*/site-packages/torch/include venv/lib/python3*/site-packages/torch/test \
  && find venv -name '*.a' -delete
COPY LICENSE ./
COPY proto/gen/python proto/gen/python
COPY services/learner/gradus_learner services/learner/gradus_learner
RUN mkdir /opt/shared

FROM ${RUNTIME_IMAGE}
ARG REVISION=unknown
ARG VERSION=0.1.0
LABEL org.opencontainers.image.title="gradus/learner" \
      org.opencontainers.image.description="Learner and built-in engine of Gradus" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
COPY --from=build /opt/gradus /opt/gradus
# Volumes that are new take their owner from here.
COPY --from=build --chown=10001:10001 /opt/shared /var/lib/gradus
ENV PATH=/opt/gradus/venv/bin:/usr/local/bin:/usr/bin:/bin \
    PYTHONPATH=/opt/gradus/services/learner:/opt/gradus/proto/gen/python \
    PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 HOME=/tmp \
    GRADUS_GRPC=0.0.0.0:50051 GRADUS_METRICS=0.0.0.0:9464
USER 10001:10001
WORKDIR /var/lib/gradus
EXPOSE 50051 9464
HEALTHCHECK --interval=15s --timeout=60s --start-period=300s --retries=4 \
  CMD ["python3", "-m", "gradus_learner.serve.health_check"]
# The engine: python3 -m gradus_learner.engine
CMD ["python3", "-m", "gradus_learner.serve"]
