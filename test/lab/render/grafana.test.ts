import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { parse } from 'yaml';
import { ProxyMetrics } from '../../../lab/builtin/proxy/metrics.ts';
import { DEFAULT_LIMITS, DEFAULT_TIMES } from '../../../lab/builtin/stream-manager/config.ts';
import { ManagerMetrics } from '../../../lab/builtin/stream-manager/metrics.ts';
import { Registry } from '../../../lab/builtin/stream-manager/registry.ts';
import { renderCompose } from '../../../lab/render/compose.ts';
import { DATASOURCE, dashboardQueries } from '../../../lab/render/grafana-dashboard.ts';
import { FAMILIES } from '../../../reports/live/families.ts';
import { BENCH } from '../../../reports/live/families-bench.ts';
import { freePort } from '../../support/ports.ts';

const { files } = renderCompose();
const FOLDER = 'monitoring/grafana/dashboards';

/** facts/srs.md 3.7: what SRS's exporter has. */
const SRS = [
  ...['srs_node_uname_info', 'srs_build_info', 'srs_cpu_percent', 'srs_memory', 'srs_send_bytes_total'],
  ...['srs_receive_bytes_total', 'srs_streams', 'srs_clients', 'srs_clients_total', 'srs_clients_errs_total'],
];

/** Of the configuration of Prometheus, and its own. */
const SCRAPED = ['cluster', 'role', 'node', 'job', 'instance', 'le'];

const metrics = new Map<string, ReadonlySet<string>>();

/** Names and labels out of the text that Prometheus reads. */
function learn(text: string): void {
  for (const line of text.split('\n')) {
    const declared = /^# TYPE (\S+)/.exec(line)?.[1];
    if (declared !== undefined && !metrics.has(declared)) metrics.set(declared, new Set());
    const [, name, labels = ''] = /^([a-z]\w*)(?:\{(.*)\})? /.exec(line) ?? [];
    if (name === undefined) continue;
    const found = [...labels.matchAll(/(\w+)="/g)].map(([, label]) => label!);
    metrics.set(name, new Set([...(metrics.get(name) ?? []), ...found]));
  }
}

/** The exporter of the machine's own HAProxy, with a frontend and a server to tell of. */
async function haproxyMetrics(): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), 'liveproof-haproxy-'));
  const [stats, front] = [await freePort(), await freePort()];
  const file = join(folder, 'haproxy.cfg');
  writeFileSync(
    file,
    `defaults
  mode http
  timeout client 5s
  timeout server 5s
  timeout connect 1s
frontend stats
  bind 127.0.0.1:${stats}
  http-request use-service prometheus-exporter if { path /metrics }
frontend front
  bind 127.0.0.1:${front}
  default_backend back
backend back
  server one 127.0.0.1:1
`,
  );
  const child = spawn('haproxy', ['-db', '-q', '-f', file], { stdio: 'ignore' });
  try {
    for (let tried = 0; ; tried++) {
      try {
        return await (await fetch(`http://127.0.0.1:${stats}/metrics`)).text();
      } catch (error) {
        if (tried === 100 || child.exitCode !== null) throw error;
        await delay(30);
      }
    }
  } finally {
    child.kill('SIGKILL');
    await once(child, 'exit');
    rmSync(folder, { recursive: true });
  }
}

before(async () => {
  for (const { name, type, labels = [] } of FAMILIES) {
    const suffixes = type === 'histogram' ? ['_bucket', '_sum', '_count'] : [''];
    for (const suffix of suffixes) metrics.set(name + suffix, new Set(labels));
  }
  for (const name of SRS) metrics.set(name, new Set());
  const proxy = new ProxyMetrics();
  proxy.connected('rtmp');
  proxy.bytes('rtmp', 'up', 1);
  proxy.picks.inc({ result: 'new' });
  proxy.error('rtmp', 'timeout');
  learn(await proxy.text());
  learn(await new ManagerMetrics(new Registry(DEFAULT_TIMES, DEFAULT_LIMITS, new Set()), undefined).text());
  learn(await haproxyMetrics());
});

after(() => metrics.clear());

/** Of PromQL, as far as the dashboard uses it. */
const WORDS = new Set([
  'sum',
  'max',
  'min',
  'by',
  'and',
  'on',
  'rate',
  'last_over_time',
  'histogram_quantile',
]);

function namesIn(query: string): string[] {
  const bare = query.replace(/\{[^}]*\}|\b(?:by|on) \([^)]*\)|\[[^\]]*\]/g, ' ');
  return [...bare.matchAll(/[a-z_]\w*/gi)].map(([name]) => name).filter((name) => !WORDS.has(name));
}

function labelsIn(query: string): string[] {
  const grouped = [...query.matchAll(/\b(?:by|on) \(([^)]*)\)/g)].flatMap(([, names]) => names!.split(/, */));
  const matched = [...query.matchAll(/\{([^}]*)\}/g)].flatMap(([, of]) =>
    [...of!.matchAll(/(\w+)=/g)].map((m) => m[1]!),
  );
  return [...grouped, ...matched];
}

test('every query names a metric that is there, and labels that it has', () => {
  const queries = dashboardQueries();
  assert.ok(queries.length > 30);
  for (const query of queries) {
    const names = namesIn(query);
    assert.ok(names.length > 0, query);
    for (const name of names) assert.ok(metrics.has(name), `nobody tells ${name}: ${query}`);
    for (const part of query.split(/ (?:\/|and) /)) {
      const [name] = namesIn(part);
      const labels = metrics.get(name!)!;
      for (const label of labelsIn(part)) {
        assert.ok(SCRAPED.includes(label) || labels.has(label), `${name} has no label ${label}: ${query}`);
      }
    }
  }
});

test('every metric of a benchmark is asked for', () => {
  const asked = new Set(dashboardQueries().flatMap(namesIn));
  for (const { name, type } of BENCH) {
    assert.ok(asked.has(type === 'histogram' ? `${name}_bucket` : name), name);
  }
});

test('a query for what nobody tells would be found', () => {
  assert.deepEqual(namesIn('sum by (node) (rate(srs_no_such_total{a="b"}[$__rate_interval]))'), [
    'srs_no_such_total',
  ]);
  assert.equal(metrics.get('srs_no_such_total'), undefined);
});

test('counters are asked for their rate, or are the sum so far', () => {
  for (const query of dashboardQueries()) {
    // What a benchmark measured is told once, whole: it has no rate.
    if (/liveproof_bench_/.test(query)) assert.match(query, /last_over_time\(/, query);
    else if (/_bytes_total/.test(query)) assert.match(query, /rate\(/, query);
  }
});

interface Target {
  readonly refId: string;
  readonly expr: string;
  readonly legendFormat?: string;
  readonly format?: string;
  readonly instant?: boolean;
  readonly datasource: Datasource;
}

interface Datasource {
  readonly type: string;
  readonly uid: string;
}

interface Dashboard {
  readonly uid: string;
  readonly templating: {
    list: {
      name: string;
      type: string;
      query: unknown;
      current: { value: string };
      datasource?: Datasource;
    }[];
  };
  readonly panels: readonly {
    readonly id: number;
    readonly type: string;
    readonly title: string;
    readonly gridPos: Record<'x' | 'y' | 'w' | 'h', number>;
    readonly datasource?: Datasource;
    readonly targets?: readonly Target[];
    readonly fieldConfig?: {
      defaults: { unit: string };
      overrides: { matcher: { id: string; options: string } }[];
    };
    readonly transformations?: readonly {
      id: string;
      options: { excludeByName?: Record<string, boolean>; renameByName?: Record<string, string> };
    }[];
  }[];
}

const DASHBOARD = JSON.parse(files.get(`${FOLDER}/liveproof.json`)!) as Dashboard;
/** Of the panels that Grafana has, those that are used here; of its units likewise. */
const TYPES = ['row', 'timeseries', 'stat', 'bargauge', 'table'];
const UNITS = ['none', 'short', 's', 'bps', 'Bps', 'bytes', 'deckbytes', 'percentunit'];

test('panels have ids and titles of their own, lie in the grid and do not overlap', () => {
  const { panels, uid } = DASHBOARD;
  assert.equal(uid, 'liveproof');
  assert.equal(new Set(panels.map(({ id }) => id)).size, panels.length);
  for (const [i, { id, title, type, gridPos: a, targets = [] }] of panels.entries()) {
    assert.ok(Number.isInteger(id) && id > 0, title);
    assert.ok(title.length > 0 && TYPES.includes(type), `${title}: ${type}`);
    assert.ok(Object.values(a).every((n) => Number.isInteger(n) && n >= 0) && a.w > 0 && a.h > 0, title);
    assert.ok(a.x + a.w <= 24, title);
    for (const { gridPos: b } of panels.slice(i + 1)) {
      const apart = a.x + a.w <= b.x || b.x + b.w <= a.x || a.y + a.h <= b.y || b.y + b.h <= a.y;
      assert.ok(apart, title);
    }
    assert.equal(new Set(targets.map(({ refId }) => refId)).size, targets.length, title);
    assert.ok(type === 'row' ? targets.length === 0 : targets.length > 0, title);
    for (const { refId } of targets) assert.match(refId, /^[A-Z]$/, title);
  }
  // Grafana takes what is below a row for its panels.
  assert.equal(panels[0]!.type, 'row');
  const rows = panels.filter(({ type }) => type === 'row');
  assert.deepEqual(
    rows.map(({ gridPos: { x, w, h } }) => [x, w, h]),
    rows.map(() => [0, 24, 1]),
  );
  assert.deepEqual(
    panels.map(({ gridPos: { y } }) => y),
    panels.map(({ gridPos: { y } }) => y).toSorted((a, b) => a - b),
  );
  assert.equal(new Set(rows.map(({ title }) => title)).size, rows.length);
});

test('the datasource is chosen by a variable, and every variable that is named is there', () => {
  const { panels, templating } = DASHBOARD;
  const names = templating.list.map(({ name }) => name);
  assert.equal(new Set(names).size, names.length);
  const [datasource, ...labels] = templating.list;
  assert.deepEqual(
    [datasource?.name, datasource?.type, datasource?.query, datasource?.current.value],
    ['datasource', 'datasource', 'prometheus', DATASOURCE],
  );
  for (const { name, type, query, datasource: own } of labels) {
    assert.deepEqual([type, own?.uid], ['query', '$datasource'], name);
    const asked = /^label_values\((\w+), (\w+)\)$/.exec((query as { query: string }).query);
    assert.ok(metrics.get(asked?.[1] ?? '')?.has(asked?.[2] ?? ''), `${name}: ${JSON.stringify(query)}`);
  }
  const used = new Set<string>();
  for (const { title, type, datasource: own, targets = [] } of panels) {
    if (type === 'row') continue;
    for (const { uid, type: kind } of [own!, ...targets.map(({ datasource: of }) => of)]) {
      assert.deepEqual([kind, uid], ['prometheus', '$datasource'], title);
    }
    for (const { expr } of targets) {
      for (const [, name] of expr.matchAll(/\$(\w+)/g)) {
        if (name!.startsWith('__')) assert.ok(['__rate_interval', '__range'].includes(name!), expr);
        else assert.ok(names.includes(name!), `${title}: ${expr}`);
        used.add(name!);
      }
    }
  }
  for (const { name } of labels) assert.ok(used.has(name), `nothing is narrowed by ${name}`);
});

test('units are Grafana’s, legends name labels that the query keeps, and columns are of queries', () => {
  for (const { title, type, targets = [], fieldConfig, transformations = [] } of DASHBOARD.panels) {
    if (type === 'row') continue;
    assert.ok(UNITS.includes(fieldConfig!.defaults.unit), title);
    for (const { expr, legendFormat = '' } of targets) {
      const kept = labelsIn(expr);
      for (const [, label] of legendFormat.matchAll(/\{\{(\w+)\}\}/g))
        assert.ok(kept.includes(label!), `${title}: ${expr}`);
    }
    if (type !== 'table') continue;
    assert.deepEqual(
      transformations.map(({ id }) => id),
      ['merge', 'organize'],
      title,
    );
    for (const { format, instant } of targets) assert.deepEqual([format, instant], ['table', true], title);
    const values = targets.map(({ refId }) => (targets.length === 1 ? 'Value' : `Value #${refId}`));
    const { renameByName = {}, excludeByName = {} } = transformations[1]!.options;
    for (const value of values)
      assert.ok(value in renameByName || excludeByName[value], `${title}: ${value}`);
    for (const value of Object.keys(renameByName)) assert.ok(values.includes(value), `${title}: ${value}`);
    const heads = Object.values(renameByName);
    assert.equal(new Set(heads).size, heads.length, title);
    for (const { matcher } of fieldConfig!.overrides) assert.ok(heads.includes(matcher.options), title);
  }
});

test('the dashboard is provisioned', () => {
  const provider = parse(files.get(`${FOLDER}/provider.yml`)!) as {
    providers: { options: { path: string } }[];
  };
  const mounted = parse(readFileSync(new URL('../../../docker-compose.yml', import.meta.url), 'utf8'), {
    merge: true,
    maxAliasCount: -1,
  }) as { services: { grafana: { volumes: string[] } } };
  const path = provider.providers[0]!.options.path;
  assert.ok(mounted.services.grafana.volumes.includes(`./fixtures/compose/${FOLDER}:${path}:ro`));
  const datasources = parse(files.get('monitoring/grafana/datasources/prometheus.yml')!) as {
    datasources: { uid: string }[];
  };
  assert.equal(datasources.datasources[0]!.uid, DATASOURCE);
});
