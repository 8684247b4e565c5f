/** Prometheus and Grafana beside the clusters of docker-compose.yml. Pure. */
import { isMediaRole } from '../topology.ts';
import {
  EXPORTER_PORT,
  gatewayOf,
  IMAGES,
  monitoringPorts,
  type PlacedCluster,
  type PlacedNode,
  type Placement,
  USERS,
} from './compose-plan.ts';
import { DATASOURCE, grafanaDashboard } from './grafana-dashboard.ts';

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

/** Where `--prometheus` of a load or a gate, and of publishers beside it, is looked for: at the machine, as containers see it. */
const RUN_PORTS = [9464, 9465];

export function prometheusFiles(
  clusters: readonly PlacedCluster[],
  placement: Placement,
): [string, string][] {
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
  # A run with \`--prometheus ${gatewayOf(placement)}:9464\`: where containers see this machine.
  - job_name: liveproof
    static_configs:
      - targets: [${RUN_PORTS.map((port) => `'${gatewayOf(placement)}:${port}'`).join(', ')}]

${jobs.filter((job) => job !== '').join('\n')}`;
  return [['monitoring/prometheus.yml', text]];
}

const DASHBOARDS = '/etc/grafana/provisioning/dashboards';

export function grafanaFiles(): [string, string][] {
  const text = `${HEADER}apiVersion: 1
datasources:
  - name: Prometheus
    uid: ${DATASOURCE}
    type: prometheus
    access: proxy
    url: http://prometheus:9090
    isDefault: true
    editable: false
`;
  const provider = `${HEADER}apiVersion: 1
providers:
  - name: liveproof
    type: file
    disableDeletion: true
    allowUiUpdates: false
    options: { path: ${DASHBOARDS} }
`;
  return [
    ['monitoring/grafana/datasources/prometheus.yml', text],
    ['monitoring/grafana/dashboards/provider.yml', provider],
    ['monitoring/grafana/dashboards/liveproof.json', grafanaDashboard()],
  ];
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
    user: '${USERS.prometheus}:${USERS.prometheus}'
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
    # Its group is the image's: it owns what the image has.
    user: '${USERS.grafana}:0'
    networks: [liveproof]
    ports: ['127.0.0.1:${grafana}:3000']
    environment:
      # On loopback, to look at: nobody logs in, so that there is no password to be guessed.
      GF_AUTH_ANONYMOUS_ENABLED: 'true'
      GF_AUTH_ANONYMOUS_ORG_ROLE: Viewer
      GF_AUTH_BASIC_ENABLED: 'false'
      GF_AUTH_DISABLE_LOGIN_FORM: 'true'
      GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH: ${DASHBOARDS}/liveproof.json
      GF_ANALYTICS_REPORTING_ENABLED: 'false'
      GF_ANALYTICS_CHECK_FOR_UPDATES: 'false'
    volumes:
      - ${configs}/monitoring/grafana/datasources:/etc/grafana/provisioning/datasources:ro
      - ${configs}/monitoring/grafana/dashboards:${DASHBOARDS}:ro
      - grafana:/var/lib/grafana
    mem_limit: 512m
    cpus: 0.5
    healthcheck: { test: [CMD, wget, -q, -O, /dev/null, 'http://127.0.0.1:3000/api/health'], interval: 5s, timeout: 2s, retries: 12 }
    depends_on:
      prometheus: { condition: service_healthy }`;
}
