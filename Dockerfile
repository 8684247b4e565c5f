# The programs of ours that a cluster is made of: the proxy and the stream manager, one file each.
#   docker build -t liveproof/node:0.1.0 .
ARG NODE=node:20.18.1-bookworm-slim

FROM ${NODE} AS build
WORKDIR /src
COPY package.json package-lock.json ./
# No install scripts: what they would fetch, clients of ours need, and no server.
RUN npm ci --omit=dev --ignore-scripts --no-audit --no-fund
COPY tsconfig.json ./
COPY protocols protocols
COPY lab lab
# What esbuild bundles calls require() for a part that is CommonJS.
RUN for name in proxy stream-manager; do \
      node_modules/.bin/esbuild lab/builtin/$name/main.ts --bundle --platform=node --target=node20 --format=esm \
        --banner:js="import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);" \
        --legal-comments=linked --outfile=/out/$name.mjs || exit 1; \
    done

FROM ${NODE}
ENV NODE_ENV=production
WORKDIR /app
COPY --from=build /out ./
USER node
# proxy.mjs is configured by the environment (docs of it: lab/builtin/proxy/environment.ts), stream-manager.mjs by an argument.
ENTRYPOINT ["node"]
CMD ["proxy.mjs"]
# As EXPOSE says, on every address, since a container is reached from outside. The program's own are 11985 and so on, at 127.0.0.1.
ENV PROXY_BIND=0.0.0.0 PROXY_RTMP_SERVER=1935 PROXY_HTTP_SERVER=8080 PROXY_HTTP_API=1985 PROXY_SYSTEM_API=12025 \
    PROXY_WEBRTC_SERVER=8000 PROXY_SRT_SERVER=10080
EXPOSE 1935 8080 1985 12025 8000/udp 10080/udp
# PROXY_HTTP_API is `port` or `host:port`.
HEALTHCHECK --interval=5s --timeout=2s --start-period=10s \
  CMD ["node", "-e", "const [, host, port] = /^(?:\\[?(.*?)\\]?:)?(\\d+)$/.exec(process.env.PROXY_HTTP_API || '11985'); require('node:http').get({ host: host || process.env.PROXY_BIND || '127.0.0.1', port, path: '/api/v1/versions' }, (r) => process.exit(r.statusCode === 200 ? 0 : 1)).on('error', () => process.exit(1))"]
