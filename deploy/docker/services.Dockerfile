# All services in TypeScript and the command line: `gradus serve SERVICE`. See README.md for base images that are made here.
ARG BUILD_IMAGE=node:24.21.0-bookworm-slim
# The C library and that of C++ (LanceDB and ONNX Runtime are native). It has no shell.
ARG RUNTIME_IMAGE=gcr.io/distroless/cc-debian12:nonroot

FROM ${BUILD_IMAGE} AS build
WORKDIR /opt/gradus
COPY package.json package-lock.json .npmrc ./
# The install script of onnxruntime-node would fetch CUDA libraries.
ENV ONNXRUNTIME_NODE_INSTALL=skip
RUN node -e 'const {devDependencies: {node}} = require("./package.json"); if (process.version !== "v" + node) { \
      console.error(`BUILD_IMAGE has Node ${process.version}, package.json pins ${node}: name an image with that one`); process.exit(1) }' \
  && npm ci --omit=dev --no-audit --no-fund \
  # Of what is installed: --omit=dev leaves out packages that tools for development need as well.
  && cp package.json /tmp && npm pkg delete devDependencies \
  && npm sbom --sbom-format cyclonedx > sbom.cdx.json && mv /tmp/package.json package.json \
  # Libraries of other systems and processors.
  && arch=$(node -p process.arch) \
  && find node_modules/onnxruntime-node/bin -mindepth 3 -maxdepth 3 -type d ! -path "*/linux/$arch" -exec rm -rf {} + \
  && find node_modules/usearch/prebuilds -mindepth 1 -maxdepth 1 -type d ! -name "linux-$arch*" -exec rm -rf {} + \
  && find node_modules -name '*.map' -type f -delete
COPY LICENSE ./
COPY proto/gen/ts proto/gen/ts
COPY services services
COPY deploy/compose/credentials.ts deploy/compose/demo.ts deploy/compose/
RUN rm -rf services/learner && mkdir /opt/shared

FROM ${RUNTIME_IMAGE}
ARG REVISION=unknown
ARG VERSION=0.1.0
LABEL org.opencontainers.image.title="gradus/services" \
      org.opencontainers.image.description="Services of Gradus in TypeScript, and its command line" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
COPY --from=build /usr/local/bin/node /usr/local/bin/node
COPY --from=build /opt/gradus /opt/gradus
# Volumes that are new take their owner from here.
COPY --from=build --chown=10001:10001 /opt/shared /var/lib/gradus
# The same ports in every container. Other settings come from where it is deployed.
ENV NODE_ENV=production HOME=/tmp GRADUS_GRPC=0.0.0.0:50051 GRADUS_METRICS=0.0.0.0:9464
# Numbers, so that `runAsNonRoot` can see it.
USER 10001:10001
WORKDIR /var/lib/gradus
EXPOSE 50051 9464
# One process for a question takes a third of a second of CPU: orchestrators that ask gRPC health themselves switch this off.
HEALTHCHECK --interval=15s --timeout=60s --start-period=300s --retries=4 \
  CMD ["/usr/local/bin/node", "--disable-warning=ExperimentalWarning", "/opt/gradus/services/health-check/main.ts"]
ENTRYPOINT ["/usr/local/bin/node", "--disable-warning=ExperimentalWarning", "/opt/gradus/services/cli/main.ts"]
CMD ["--help"]
