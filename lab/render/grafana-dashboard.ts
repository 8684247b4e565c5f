/** The Grafana dashboard of the monitoring profile: runs of liveproof, and the clusters that they drive. Pure. */
import { BENCH_ROW, BENCH_VARIABLES } from './grafana-bench.ts';
import { HEALTH, type Panel, type Query, type Row, VERDICTS } from './grafana-panel.ts';

/** Of the Prometheus that is provisioned beside it; another can be chosen in the dashboard. */
export const DATASOURCE = 'liveproof-prometheus';

const RATE = '[$__rate_interval]';

function quantile(metric: string, quantile: number, by = ''): string {
  return `histogram_quantile(${quantile}, sum by (le${by}) (rate(${metric}_bucket${RATE})))`;
}

function percentiles(metric: string): Query[] {
  return [0.5, 0.9, 0.99].map((q) => ({ expr: quantile(metric, q), legend: `p${q * 100}` }));
}

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
  BENCH_ROW,
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
const SIZE = {
  timeseries: { w: 12, h: 8 },
  stat: { w: 6, h: 4 },
  bargauge: { w: 8, h: 8 },
  table: { w: COLUMNS, h: 10 },
} as const;

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
      panels: [],
      gridPos: { x: 0, y, w: COLUMNS, h: 1 },
    });
    y += 1;
    let x = 0;
    let tallest = 0;
    for (const panel of own) {
      const { w, h } = { ...SIZE[panel.type], ...panel.size };
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
    annotations: { list: [] },
    templating: { list: [datasourceVariable(), ...BENCH_VARIABLES.map(labelVariable)] },
    panels,
  };
  return `${JSON.stringify(dashboard, null, 2)}\n`;
}

const BY_VARIABLE = { type: 'prometheus', uid: '$datasource' };

function datasourceVariable(): object {
  return {
    ...{ name: 'datasource', label: 'Prometheus', type: 'datasource', query: 'prometheus', hide: 0 },
    current: { text: DATASOURCE, value: DATASOURCE },
  };
}

/** What a label has for values, of which one, some or all can be chosen. */
function labelVariable({ name, label, metric }: (typeof BENCH_VARIABLES)[number]): object {
  const query = `label_values(${metric}, ${name})`;
  return {
    ...{ name, label, type: 'query', datasource: BY_VARIABLE, definition: query },
    ...{ query: { query, refId: name }, refresh: 2, sort: 3, hide: 0 },
    ...{ multi: true, includeAll: true, allValue: '.*', current: { text: 'All', value: '$__all' } },
  };
}

function panelOf(panel: Panel, id: number, gridPos: object): object {
  const { title, says, type, unit, queries, words } = panel;
  return {
    ...{ id, title, type, gridPos },
    ...(says !== undefined && { description: says }),
    datasource: BY_VARIABLE,
    targets: queries.map((query, i) => ({ ...targetOf(query, type, refIdOf(i)), datasource: BY_VARIABLE })),
    fieldConfig: {
      defaults: {
        unit,
        ...(type === 'timeseries' && { min: 0, custom: { fillOpacity: 8, showPoints: 'never' } }),
        ...(type === 'bargauge' && { min: 0 }),
        ...(words !== undefined && { mappings: mappingsOf(words) }),
      },
      overrides: type === 'table' ? queries.flatMap(columnOf) : [],
    },
    ...(type === 'table' && { transformations: asOneTable(panel) }),
    options: OPTIONS[type],
  };
}

function refIdOf(index: number): string {
  return String.fromCharCode(65 + index);
}

function targetOf({ expr, legend }: Query, type: Panel['type'], refId: string): object {
  if (type === 'table') return { refId, expr, format: 'table', instant: true };
  return {
    ...{ refId, expr, legendFormat: legend === '' ? '__auto' : legend },
    ...(type === 'bargauge' && { instant: true }),
  };
}

function mappingsOf(words: NonNullable<Panel['words']>): object[] {
  return [{ type: 'value', options: words }];
}

/** Of a table, the legend of a query is the head of its column. */
function columnOf({ legend, unit, words }: Query): object[] {
  const properties = [
    ...(unit === undefined ? [] : [{ id: 'unit', value: unit }]),
    ...(words === undefined ? [] : [{ id: 'mappings', value: mappingsOf(words) }]),
  ];
  return properties.length === 0 ? [] : [{ matcher: { id: 'byName', options: legend }, properties }];
}

/** Rows with the same labels are one row: Grafana calls what each query gives `Value #A` and so on, or `Value`. */
function asOneTable({ queries, hides = [] }: Panel): object[] {
  const value = (i: number): string => (queries.length === 1 ? 'Value' : `Value #${refIdOf(i)}`);
  const hidden = ['Time', ...hides, ...queries.flatMap(({ legend }, i) => (legend === '' ? [value(i)] : []))];
  return [
    { id: 'merge', options: {} },
    {
      id: 'organize',
      options: {
        excludeByName: Object.fromEntries(hidden.map((name) => [name, true])),
        renameByName: Object.fromEntries(
          queries.flatMap(({ legend }, i) => (legend === '' ? [] : [[value(i), legend]])),
        ),
      },
    },
  ];
}

const LAST = { calcs: ['lastNotNull'], fields: '', values: false };
const LEGEND = { displayMode: 'list', placement: 'bottom', showLegend: true, calcs: [] };

/** With what Grafana's own schema requires (grafana-foundation-sdk), most of it Grafana's defaults. */
const OPTIONS: Readonly<Record<Panel['type'], object>> = {
  stat: {
    ...{ colorMode: 'background', graphMode: 'area', justifyMode: 'auto', orientation: 'auto' },
    ...{ textMode: 'auto', wideLayout: true, showPercentChange: false, percentChangeColorMode: 'standard' },
    reduceOptions: LAST,
  },
  bargauge: {
    ...{ displayMode: 'gradient', orientation: 'horizontal', showUnfilled: true, valueMode: 'color' },
    ...{ namePlacement: 'auto', sizing: 'auto', minVizWidth: 8, minVizHeight: 16, maxVizHeight: 300 },
    legend: { ...LEGEND, showLegend: false },
    reduceOptions: LAST,
  },
  table: { showHeader: true, cellHeight: 'sm', frameIndex: 0 },
  timeseries: { legend: LEGEND, tooltip: { mode: 'multi', sort: 'none' } },
};

/** Every query, for whoever holds them to the metrics that there are. */
export function dashboardQueries(): string[] {
  return ROWS.flatMap(({ panels }) => panels.flatMap(({ queries }) => queries.map(({ expr }) => expr)));
}
