/** The Grafana dashboard of the monitoring profile: runs of liveproof, and the clusters that they drive. Pure. */

export const DATASOURCE = 'liveproof-prometheus';

interface Query {
  readonly expr: string;
  /** With `{{label}}` for its value. */
  readonly legend: string;
}

interface Panel {
  readonly title: string;
  readonly says?: string;
  readonly type: 'timeseries' | 'stat';
  /** In Grafana's words: `s`, `Bps`, `bps`, `percentunit`, `short`, `bytes`. */
  readonly unit: string;
  readonly queries: readonly Query[];
  /** Of a `stat`: the words for its values. */
  readonly words?: Readonly<Record<string, { text: string; color: string }>>;
}

interface Row {
  readonly title: string;
  readonly panels: readonly Panel[];
}

const RATE = '[$__rate_interval]';

function quantile(metric: string, quantile: number, by = ''): string {
  return `histogram_quantile(${quantile}, sum by (le${by}) (rate(${metric}_bucket${RATE})))`;
}

function percentiles(metric: string): Query[] {
  return [0.5, 0.9, 0.99].map((q) => ({ expr: quantile(metric, q), legend: `p${q * 100}` }));
}

const VERDICTS = {
  0: { text: 'pass', color: 'green' },
  1: { text: 'unsupported', color: 'blue' },
  2: { text: 'inconclusive', color: 'orange' },
  3: { text: 'fail', color: 'red' },
  4: { text: 'error', color: 'purple' },
};

const HEALTH = { 0: { text: 'unhealthy', color: 'orange' }, 1: { text: 'healthy', color: 'green' } };

const ROWS: readonly Row[] = [
  {
    title: 'liveproof: the run (--prometheus)',
    panels: [
      {
        title: 'Worst verdict so far',
        type: 'stat',
        unit: 'short',
        queries: [{ expr: 'max(liveproof_verdict)', legend: '' }],
        words: VERDICTS,
      },
      {
        title: 'Generator',
        says: 'Unhealthy: its figures are not those of the server.',
        type: 'stat',
        unit: 'short',
        queries: [{ expr: 'min(liveproof_generator_healthy)', legend: '' }],
        words: HEALTH,
      },
      {
        title: 'Findings',
        type: 'timeseries',
        unit: 'short',
        queries: [{ expr: 'sum by (verdict) (liveproof_findings_total)', legend: '{{verdict}}' }],
      },
      {
        title: 'Players',
        type: 'timeseries',
        unit: 'short',
        queries: [{ expr: 'sum by (outcome) (liveproof_load_clients_total)', legend: '{{outcome}}' }],
      },
      {
        title: 'Steady latency, from the stamp to the player',
        type: 'timeseries',
        unit: 's',
        queries: [0.5, 0.9, 0.99].map((q) => ({
          expr: `histogram_quantile(${q}, sum by (le) (rate(liveproof_load_latency_seconds_bucket{phase="steady"}${RATE})))`,
          legend: `p${q * 100}`,
        })),
      },
      {
        title: 'Startup',
        type: 'timeseries',
        unit: 's',
        queries: percentiles('liveproof_load_startup_seconds'),
      },
      {
        title: 'Played and published',
        type: 'timeseries',
        unit: 'bps',
        queries: [
          { expr: `8 * sum(rate(liveproof_load_received_bytes_total${RATE}))`, legend: 'played' },
          { expr: `8 * sum(rate(liveproof_publish_sent_bytes_total${RATE}))`, legend: 'published' },
        ],
      },
      {
        title: 'What must not happen, per second',
        type: 'timeseries',
        unit: 'short',
        queries: [
          {
            expr: `sum by (fault) (rate(liveproof_load_frame_faults_total${RATE}))`,
            legend: 'frames {{fault}}',
          },
          { expr: `sum(rate(liveproof_load_stalls_total${RATE}))`, legend: 'stalls' },
          { expr: `sum by (reason) (rate(liveproof_load_errors_total${RATE}))`, legend: '{{reason}}' },
          {
            expr: `sum by (protocol, code) (rate(liveproof_load_problems_total${RATE}))`,
            legend: '{{protocol}} {{code}}',
          },
        ],
      },
      {
        title: 'Frames sent late',
        type: 'timeseries',
        unit: 's',
        queries: percentiles('liveproof_publish_lag_seconds'),
      },
      {
        title: 'Generator, event-loop lag',
        type: 'timeseries',
        unit: 's',
        queries: [
          { expr: 'max by (instance) (liveproof_generator_loop_lag_p99_seconds)', legend: '{{instance}}' },
        ],
      },
    ],
  },
  {
    title: 'liveproof gate: links, as the taps count them',
    panels: [
      {
        title: 'Open connections',
        says: 'One per edge and stream where pulls are merged.',
        type: 'timeseries',
        unit: 'short',
        queries: [
          {
            expr: 'sum by (topology, from, to, carries) (liveproof_link_open_connections)',
            legend: '{{topology}}: {{from}} > {{to}} {{carries}}',
          },
        ],
      },
      {
        title: 'Bytes',
        type: 'timeseries',
        unit: 'Bps',
        queries: [
          {
            expr: `sum by (topology, from, to) (rate(liveproof_link_bytes_total${RATE}))`,
            legend: '{{topology}}: {{from}} > {{to}}',
          },
        ],
      },
    ],
  },
  {
    title: 'SRS',
    panels: [
      {
        title: 'Clients',
        type: 'timeseries',
        unit: 'short',
        queries: [{ expr: 'sum by (cluster, node) (srs_clients)', legend: '{{cluster}} {{node}}' }],
      },
      {
        title: 'Streams',
        type: 'timeseries',
        unit: 'short',
        queries: [{ expr: 'sum by (cluster, node) (srs_streams)', legend: '{{cluster}} {{node}}' }],
      },
      {
        title: 'Sent; an origin’s is what edges fetch',
        type: 'timeseries',
        unit: 'Bps',
        queries: [
          {
            expr: `sum by (cluster, node) (rate(srs_send_bytes_total${RATE}))`,
            legend: '{{cluster}} {{node}}',
          },
        ],
      },
      {
        title: 'Received',
        type: 'timeseries',
        unit: 'Bps',
        queries: [
          {
            expr: `sum by (cluster, node) (rate(srs_receive_bytes_total${RATE}))`,
            legend: '{{cluster}} {{node}}',
          },
        ],
      },
      {
        title: 'CPU, hundredths of a percent of a core',
        type: 'timeseries',
        unit: 'short',
        queries: [{ expr: 'sum by (cluster, node) (srs_cpu_percent)', legend: '{{cluster}} {{node}}' }],
      },
      {
        title: 'Memory',
        type: 'timeseries',
        unit: 'deckbytes',
        queries: [{ expr: 'sum by (cluster, node) (srs_memory)', legend: '{{cluster}} {{node}}' }],
      },
      {
        title: 'Clients that failed, per second',
        type: 'timeseries',
        unit: 'short',
        queries: [
          {
            expr: `sum by (cluster, node) (rate(srs_clients_errs_total${RATE}))`,
            legend: '{{cluster}} {{node}}',
          },
        ],
      },
    ],
  },
  {
    title: 'HAProxy, proxy, stream manager',
    panels: [
      {
        title: 'HAProxy: sessions by server',
        says: 'Players are spread over the edges.',
        type: 'timeseries',
        unit: 'short',
        queries: [
          {
            expr: 'sum by (cluster, proxy, server) (haproxy_server_current_sessions)',
            legend: '{{cluster}} {{proxy}} {{server}}',
          },
        ],
      },
      {
        title: 'HAProxy: bytes to clients',
        type: 'timeseries',
        unit: 'Bps',
        queries: [
          {
            expr: `sum by (cluster, proxy) (rate(haproxy_frontend_bytes_out_total${RATE}))`,
            legend: '{{cluster}} {{proxy}}',
          },
        ],
      },
      {
        title: 'Proxy: origins alive, clients',
        type: 'timeseries',
        unit: 'short',
        queries: [
          {
            expr: 'sum by (cluster, node) (liveproof_proxy_backends_alive)',
            legend: '{{cluster}} {{node}} origins',
          },
          {
            expr: 'sum by (cluster, node, protocol) (liveproof_proxy_connections)',
            legend: '{{cluster}} {{node}} {{protocol}}',
          },
        ],
      },
      {
        title: 'Proxy: picks and errors, per second',
        type: 'timeseries',
        unit: 'short',
        queries: [
          {
            expr: `sum by (cluster, result) (rate(liveproof_proxy_picks_total${RATE}))`,
            legend: '{{cluster}} {{result}}',
          },
          {
            expr: `sum by (cluster, protocol, reason) (rate(liveproof_proxy_errors_total${RATE}))`,
            legend: '{{cluster}} {{protocol}} {{reason}}',
          },
        ],
      },
      {
        title: 'Proxy: bytes',
        type: 'timeseries',
        unit: 'Bps',
        queries: [
          {
            expr: `sum by (cluster, protocol, direction) (rate(liveproof_proxy_bytes_total${RATE}))`,
            legend: '{{cluster}} {{protocol}} {{direction}}',
          },
        ],
      },
      {
        title: 'Stream manager: questions by answer, per second',
        type: 'timeseries',
        unit: 'short',
        queries: [
          { expr: `sum by (answer) (rate(stream_manager_queries_total${RATE}))`, legend: '{{answer}}' },
        ],
      },
      {
        title: 'Stream manager: streams, origins',
        type: 'timeseries',
        unit: 'short',
        queries: [
          { expr: 'sum(stream_manager_streams)', legend: 'streams' },
          { expr: 'sum by (state) (stream_manager_origins)', legend: 'origins {{state}}' },
        ],
      },
    ],
  },
];

const COLUMNS = 24;
const SIZE = { timeseries: { w: 12, h: 8 }, stat: { w: 6, h: 4 } } as const;

/** As Grafana provisions it from a file. */
export function grafanaDashboard(): string {
  const panels: object[] = [];
  let y = 0;
  for (const { title, panels: own } of ROWS) {
    panels.push({
      id: panels.length + 1,
      type: 'row',
      title,
      collapsed: false,
      gridPos: { x: 0, y, w: COLUMNS, h: 1 },
    });
    y += 1;
    let x = 0;
    let tallest = 0;
    for (const panel of own) {
      const { w, h } = SIZE[panel.type];
      if (x + w > COLUMNS) {
        y += tallest;
        [x, tallest] = [0, 0];
      }
      panels.push(panelOf(panel, panels.length + 1, { x, y, w, h }));
      x += w;
      tallest = Math.max(tallest, h);
    }
    y += tallest;
  }
  const dashboard = {
    ...{ uid: 'liveproof', title: 'liveproof', tags: ['liveproof'], schemaVersion: 39, version: 1 },
    ...{ editable: false, graphTooltip: 1, refresh: '5s', time: { from: 'now-15m', to: 'now' } },
    panels,
  };
  return `${JSON.stringify(dashboard, null, 2)}\n`;
}

function panelOf({ title, says, type, unit, queries, words }: Panel, id: number, gridPos: object): object {
  return {
    ...{ id, title, type, gridPos },
    ...(says !== undefined && { description: says }),
    datasource: { type: 'prometheus', uid: DATASOURCE },
    targets: queries.map(({ expr, legend }, i) => ({
      ...{ refId: String.fromCharCode(65 + i), expr, legendFormat: legend === '' ? '__auto' : legend },
      datasource: { type: 'prometheus', uid: DATASOURCE },
    })),
    fieldConfig: {
      defaults: {
        unit,
        ...(type === 'timeseries' && { min: 0, custom: { fillOpacity: 8, showPoints: 'never' } }),
        ...(words !== undefined && { mappings: [{ type: 'value', options: words }] }),
      },
      overrides: [],
    },
    options:
      type === 'stat'
        ? { colorMode: 'background', reduceOptions: { calcs: ['lastNotNull'] } }
        : { legend: { displayMode: 'list', placement: 'bottom' }, tooltip: { mode: 'multi' } },
  };
}

/** Every query, for whoever holds them to the metrics that there are. */
export function dashboardQueries(): string[] {
  return ROWS.flatMap(({ panels }) => panels.flatMap(({ queries }) => queries.map(({ expr }) => expr)));
}
