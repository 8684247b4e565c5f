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
const WORDS = new Set(['sum', 'max', 'min', 'by', 'rate', 'histogram_quantile', '__rate_interval', 'le']);

function namesIn(query: string): string[] {
  const bare = query.replace(/\{[^}]*\}|by \([^)]*\)|\[[^\]]*\]/g, ' ');
  return [...bare.matchAll(/[a-z_]\w*/gi)].map(([name]) => name).filter((name) => !WORDS.has(name));
}

function labelsIn(query: string): string[] {
  const grouped = [...query.matchAll(/by \(([^)]*)\)/g)].flatMap(([, names]) => names!.split(/, */));
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
    assert.equal(names.length, 1, query);
    const labels = metrics.get(names[0]!);
    assert.ok(labels, `nobody tells ${names[0]}: ${query}`);
    for (const label of labelsIn(query)) {
      assert.ok(SCRAPED.includes(label) || labels.has(label), `${names[0]} has no label ${label}: ${query}`);
    }
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
    if (!/_bytes_total/.test(query)) continue;
    assert.match(query, /rate\(/, query);
  }
});

test('the dashboard is provisioned: panels do not overlap, legends name labels that the query keeps', () => {
  const { panels, uid } = JSON.parse(files.get(`${FOLDER}/liveproof.json`)!) as {
    uid: string;
    panels: {
      type: string;
      title: string;
      gridPos: { x: number; y: number; w: number; h: number };
      datasource?: { uid: string };
      targets?: { expr: string; legendFormat: string }[];
    }[];
  };
  assert.equal(uid, 'liveproof');
  for (const [i, { title, type, gridPos: a, datasource, targets = [] }] of panels.entries()) {
    assert.ok(a.x + a.w <= 24, title);
    for (const { gridPos: b } of panels.slice(i + 1)) {
      const apart = a.x + a.w <= b.x || b.x + b.w <= a.x || a.y + a.h <= b.y || b.y + b.h <= a.y;
      assert.ok(apart, title);
    }
    if (type === 'row') continue;
    assert.equal(datasource?.uid, DATASOURCE, title);
    for (const { expr, legendFormat } of targets) {
      const kept = labelsIn(expr);
      for (const [, label] of legendFormat.matchAll(/\{\{(\w+)\}\}/g))
        assert.ok(kept.includes(label!), `${title}: ${expr}`);
    }
  }
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
