/** Prometheus and Grafana beside the clusters of docker-compose.yml. Pure. */
import { isMediaRole } from '../topology.ts';
import {
  EXPORTER_PORT,
  IMAGES,
  monitoringPorts,
  type PlacedCluster,
  type PlacedNode,
  type Placement,
} from './compose-plan.ts';

const HEADER = '# Rendered by `npm run render:compose`; changes here are overwritten.\n';

/** Who answers /metrics at which port: SRS's exporter, HAProxy, the proxy, the stream manager. */
function metricsPort({ spec, image, inner }: PlacedNode): number | undefined {
  if (image === 'haproxy') return inner.stats ?? inner.api;
  if (image === 'node') return inner.api;
  return isMediaRole(spec.role) && image.startsWith('srs') ? EXPORTER_PORT : undefined;
}

const JOBS = [
  { job: 'srs', is: ({ image }: PlacedNode) => image.startsWith('srs') },
  { job: 'haproxy', is: ({ image }: PlacedNode) => image === 'haproxy' },
  { job: 'proxy', is: ({ spec }: PlacedNode) => spec.role === 'proxy' },
  { job: 'stream-manager', is: ({ spec }: PlacedNode) => spec.role === 'stream-manager' },
] as const;

export function prometheusFiles(clusters: readonly PlacedCluster[]): [string, string][] {
  const jobs = JOBS.map(({ job, is }) => {
    const groups = clusters.flatMap(({ profile, nodes }) =>
      nodes.filter(is).map((node) => {
        const { role, name } = node.spec;
        const port = metricsPort(node) ?? node.inner.api;
        // By name: what of a profile that is not up cannot be resolved is told as down.
        return `      - targets: ['${node.service}:${port}']\n        labels: { cluster: ${profile}, role: ${role}, node: ${name} }`;
      }),
    );
    return groups.length === 0 ? '' : `  - job_name: ${job}\n    static_configs:\n${groups.join('\n')}\n`;
  });
  const text = `${HEADER}global:
  scrape_interval: 5s
  scrape_timeout: 4s

scrape_configs:
${jobs.filter((job) => job !== '').join('\n')}`;
  return [['monitoring/prometheus.yml', text]];
}

export function grafanaFiles(): [string, string][] {
  const text = `${HEADER}apiVersion: 1
datasources:
  - name: Prometheus
    uid: liveproof-prometheus
    type: prometheus
    access: proxy
    url: http://prometheus:9090
    isDefault: true
    editable: false
`;
  return [['monitoring/grafana/datasources/prometheus.yml', text]];
}

export function monitoringServices(
  clusters: readonly PlacedCluster[],
  placement: Placement,
  configs: string,
): string {
  const { prometheus, grafana } = monitoringPorts(placement);
  return `  # Profile monitoring, beside any of the others: ${clusters.length === 1 ? 'the cluster' : 'the clusters'} that are up answer, the others are told as down.
  prometheus:
    <<: *common
    profiles: [monitoring]
    image: ${IMAGES.prometheus}
    networks: [liveproof]
    ports: ['127.0.0.1:${prometheus}:9090']
    command: [--config.file=/etc/prometheus/prometheus.yml, --storage.tsdb.path=/prometheus, --storage.tsdb.retention.time=2d]
    volumes:
      - ${configs}/monitoring/prometheus.yml:/etc/prometheus/prometheus.yml:ro
      - prometheus:/prometheus
    mem_limit: 512m
    cpus: 0.5
    healthcheck: { test: [CMD, wget, -q, -O, /dev/null, 'http://127.0.0.1:9090/-/healthy'], interval: 5s, timeout: 2s, retries: 12 }

  grafana:
    <<: *common
    profiles: [monitoring]
    image: ${IMAGES.grafana}
    networks: [liveproof]
    ports: ['127.0.0.1:${grafana}:3000']
    environment:
      # On loopback, to look at: nobody logs in, so that there is no password to be guessed.
      GF_AUTH_ANONYMOUS_ENABLED: 'true'
      GF_AUTH_ANONYMOUS_ORG_ROLE: Viewer
      GF_AUTH_BASIC_ENABLED: 'false'
      GF_AUTH_DISABLE_LOGIN_FORM: 'true'
      GF_ANALYTICS_REPORTING_ENABLED: 'false'
      GF_ANALYTICS_CHECK_FOR_UPDATES: 'false'
    volumes:
      - ${configs}/monitoring/grafana/datasources:/etc/grafana/provisioning/datasources:ro
      - grafana:/var/lib/grafana
    mem_limit: 512m
    cpus: 0.5
    healthcheck: { test: [CMD, wget, -q, -O, /dev/null, 'http://127.0.0.1:3000/api/health'], interval: 5s, timeout: 2s, retries: 12 }
    depends_on:
      prometheus: { condition: service_healthy }`;
}
