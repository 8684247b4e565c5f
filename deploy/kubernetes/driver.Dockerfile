# The load generator, as the pods of load/ and merge/ run it.
#   docker build -t liveproof/driver:0.1.0 -f deploy/kubernetes/driver.Dockerfile .
ARG NODE=node:20.18.1-bookworm-slim

FROM ${NODE}
ENV NODE_ENV=production
WORKDIR /liveproof
COPY package.json package-lock.json tsconfig.json ./
# No install scripts: every binary is a package of its own.
RUN npm ci --omit=dev --ignore-scripts --no-audit --no-fund
COPY protocols protocols
COPY runtime runtime
COPY drivers drivers
COPY lab lab
COPY reports reports
COPY scenarios scenarios
COPY cli cli
COPY fixtures/media fixtures/media
# The user that it runs as may not write into node_modules.
RUN node --import tsx runtime/bundle.ts
USER node
# tsx keeps what it has compiled below TMPDIR.
ENTRYPOINT ["node", "--import", "tsx", "/liveproof/cli/start.ts"]
CMD ["--help"]
