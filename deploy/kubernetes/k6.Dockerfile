# k6 with the scripts of scenarios/k6, and what they import, as the runners of k6/ run it.
#   docker build -t liveproof/k6:0.1.0 -f deploy/kubernetes/k6.Dockerfile .
ARG K6=grafana/k6:2.2.0

FROM ${K6}
WORKDIR /liveproof
COPY protocols protocols
COPY drivers/measure drivers/measure
COPY scenarios/k6 scenarios/k6
ENV K6_AUTO_EXTENSION_RESOLUTION=false K6_NO_USAGE_REPORT=true
