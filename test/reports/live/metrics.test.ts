import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { build, encodeIntoCompressedBase64 } from 'hdr-histogram-js';
import { edgeCluster } from '../../../lab/topologies/edge-cluster.ts';
import { BUCKET_SECONDS, bucketsOf } from '../../../reports/live/buckets.ts';
import { FAMILIES } from '../../../reports/live/families.ts';
import { metricsOf } from '../../../reports/live/metrics.ts';
import type { Distribution, Results } from '../../../reports/results.ts';
import type { BenchLadder } from '../../../reports/results-bench.ts';
import { pretendFigures } from '../clusters.ts';
import {
  finding,
  gate,
  hlsFigures,
  load,
  NO_SAMPLE,
  publish,
  srtFigures,
  webRtcFigures,
} from '../samples.ts';
import { benchFigures, benchRun } from '../samples-runs.ts';
import { readMetrics } from './read-metrics.ts';

async function told(results: Results) {
  return readMetrics(await metricsOf(() => results).metrics());
}

function distribution(ms: readonly number[]): Distribution {
  const hdr = build({
    bitBucketSize: 32,
    highestTrackableValue: 3_600_000_000,
    numberOfSignificantValueDigits: 3,
  });
  for (const value of ms) hdr.recordValue(value * 1000);
  return { ...NO_SAMPLE, count: ms.length, max: Math.max(...ms), hdr: encodeIntoCompressedBase64(hdr) };
}

test('names, units and kinds are as Prometheus wants them', () => {
  const names = FAMILIES.map(({ name }) => name);
  assert.equal(new Set(names).size, names.length);
  for (const { name, type, labels = [], help } of FAMILIES) {
    assert.match(name, /^liveproof_[a-z0-9_]+$/);
    assert.equal(name.endsWith('_total'), type === 'counter', `${name} is a ${type}`);
    assert.doesNotMatch(
      name,
      /_(ms|milliseconds|mb|megabytes|percent)(_|$)/,
      'base units: seconds, bytes, ratio',
    );
    if (type === 'histogram') assert.match(name, /_seconds$/);
    for (const label of labels) assert.match(label, /^[a-z]+$/);
    assert.doesNotMatch(help, /[\n.]$/);
  }
});

test('docs/reports.md names every metric', () => {
  const page = readFileSync(new URL('../../../docs/reports.md', import.meta.url), 'utf8');
  for (const { name } of FAMILIES) assert.ok(page.includes(`\`${name}\``), name);
});

test('a histogram counts the samples of the distribution, at most the edge of each bucket', () => {
  const ms = [1, 5, 5.1, 80, 99.9, 350, 351, 400, 999, 1000, 59_000, 90_000];
  const { cumulative, count, sum } = bucketsOf(distribution(ms));
  assert.equal(count, ms.length);
  for (const [i, edge] of BUCKET_SECONDS.entries()) {
    assert.equal(cumulative[i], ms.filter((value) => value / 1000 <= edge).length, `at most ${edge} s`);
  }
  assert.equal(cumulative.at(-1), ms.length);
  const exact = ms.reduce((total, value) => total + value / 1000, 0);
  assert.ok(Math.abs(sum - exact) / exact < 0.001, `${sum} for ${exact}`);
  assert.ok(bucketsOf(NO_SAMPLE).cumulative.every((value) => value === 0));
});

test('the figures of a load are those of its results', async () => {
  const results = load({
    hls: hlsFigures({ problems: { 'hls.gap': 4 } }),
    srt: srtFigures(),
    webrtc: webRtcFigures(),
  });
  const { clients, frames, bytes, latency, startup, stalls, generator, hls, srt, webrtc } = results.load!;
  const metrics = await told(results);
  for (const [sample, value] of [
    ['liveproof_load_clients', clients.requested],
    ['liveproof_load_clients_total{outcome="joined"}', clients.joined],
    ['liveproof_load_received_bytes_total', bytes],
    ['liveproof_load_frames_total', frames.received],
    ['liveproof_load_frame_faults_total{fault="missing"}', frames.missing],
    ['liveproof_load_stalls_total', stalls.count],
    ['liveproof_load_latency_seconds_count{phase="steady"}', latency.steady.count],
    ['liveproof_load_latency_seconds_bucket{phase="join",le="+Inf"}', latency.join.count],
    ['liveproof_load_startup_seconds_bucket{le="+Inf"}', startup.count],
    ['liveproof_load_hls_requests_total{object="segments",outcome="failed"}', hls!.segments.failed],
    ['liveproof_load_srt_packets_total{outcome="lost"}', srt!.packets.lost],
    ['liveproof_load_rtp_packets_total', webrtc!.rtp.packets],
    ['liveproof_load_problems_total{protocol="hls",code="hls.gap"}', 4],
    ['liveproof_generator_healthy', generator.healthy ? 1 : 0],
    ['liveproof_generator_loop_lag_p99_seconds', generator.loopLagP99Ms / 1000],
  ] as const) {
    assert.equal(metrics.get(sample), value, sample);
  }
});

test('the figures of a benchmark are those of its results, each once', async () => {
  const measured = benchFigures();
  // At one place, with the same pulls, there are several numbers of viewers.
  const few = measured.economics.map((row) => ({
    ...row,
    requested: 10,
    players: 9,
    viewerBytes: 3_000_000,
  }));
  const figures = { ...measured, economics: [...measured.economics, ...few] };
  const metrics = await told(benchRun(figures));
  const labels = ([place, more]: readonly [
    Pick<BenchLadder, 'topology' | 'engine' | 'protocol' | 'at'>,
    string,
  ]) => {
    const { topology, engine, protocol, at } = place;
    return `topology="${topology}",engine="${engine}",protocol="${protocol}",at="${at}"${more}`;
  };
  for (const cell of figures.latency) {
    const { players, steady, startup, stalls, frames, joined, server, generator } = cell;
    const of = labels([cell, `,players="${players}"`]);
    for (const [sample, value] of [
      [`liveproof_bench_latency_seconds_count{${of}}`, steady.count],
      [`liveproof_bench_startup_seconds_bucket{${of},le="+Inf"}`, startup.count],
      [`liveproof_bench_clients_total{${of},outcome="joined"}`, joined],
      [`liveproof_bench_frames_total{${of}}`, frames.received],
      [`liveproof_bench_frame_faults_total{${of},fault="missing"}`, frames.missing],
      [`liveproof_bench_stall_ratio{${of}}`, stalls.ratio],
      [`liveproof_bench_generator_healthy{${of}}`, generator.healthy ? 1 : 0],
      [`liveproof_bench_server_cpu_cores{${of}}`, server?.cores],
      [
        `liveproof_bench_server_resident_memory_bytes{${of}}`,
        server === null ? undefined : server.rssMb * 1_048_576,
      ],
    ] as const) {
      assert.equal(metrics.get(sample), value, sample);
    }
    const edge = BUCKET_SECONDS.find((seconds) => seconds * 1000 >= steady.p99!)!;
    const within = metrics.get(`liveproof_bench_latency_seconds_bucket{${of},le="${edge}"}`)!;
    assert.ok(within >= steady.count * 0.99, `${of}: ${within} of ${steady.count} within ${edge} s`);
  }
  const [rtmp, hls, joins, none] = figures.ladders as [BenchLadder, BenchLadder, BenchLadder, BenchLadder];
  for (const [sample, value] of [
    [`liveproof_bench_largest_players{${labels([rtmp, ''])}}`, 4000],
    [`liveproof_bench_largest_players{${labels([hls, ''])}}`, 1000],
    [`liveproof_bench_largest_joins_per_second{${labels([joins, ''])}}`, 400],
    [`liveproof_bench_largest_publishers{${labels([none, ''])}}`, undefined],
    [`liveproof_bench_ladder_info{${labels([hls, ',climbs="players",side="machine",bound="lower"'])}}`, 1],
    [`liveproof_bench_client_cpu_cores{${labels([rtmp, ',climbs="players",side="servers"'])}}`, 0.0001],
    [`liveproof_bench_client_memory_bytes{${labels([rtmp, ',climbs="players",side="generator"'])}}`, 20_480],
    [
      `liveproof_bench_client_memory_bytes{${labels([none, ',climbs="publishers",side="servers"'])}}`,
      undefined,
    ],
  ] as const) {
    assert.equal(metrics.get(sample), value, sample);
  }
  for (const row of figures.economics) {
    const of = labels([row, `,pulls="${row.variant}",players="${row.requested ?? row.players}"`]);
    assert.equal(metrics.get(`liveproof_bench_origin_bytes_total{${of}}`), row.originBytes);
    assert.equal(metrics.get(`liveproof_bench_viewer_bytes_total{${of}}`), row.viewerBytes);
  }
  assert.ok(![...(await told(load())).keys()].some((name) => name.startsWith('liveproof_bench')));
});

test('what a family says of its labels is what its samples have', async () => {
  const text = await metricsOf(() => benchRun()).metrics();
  const bench = FAMILIES.filter(({ name }) => name.startsWith('liveproof_bench'));
  for (const { name, labels = [] } of bench) {
    const samples = text
      .split('\n')
      .filter((line) => new RegExp(`^${name}(_bucket|_sum|_count)?[{ ]`).test(line));
    if (name !== 'liveproof_bench_largest_publishers') assert.ok(samples.length > 0, name);
    for (const sample of samples) {
      const found = [...sample.matchAll(/(\w+)="/g)]
        .map(([, label]) => label!)
        .filter((label) => label !== 'le');
      assert.deepEqual(found.toSorted(), labels.toSorted(), name);
    }
  }
});

test('half of the samples are at most p50', async () => {
  const { steady } = load().load!.latency;
  const metrics = await told(load());
  const edge = BUCKET_SECONDS.find((seconds) => seconds * 1000 >= steady.p50!)!;
  assert.ok(
    metrics.get(`liveproof_load_latency_seconds_bucket{phase="steady",le="${edge}"}`)! >= steady.count / 2,
  );
});

test('publishers and links are told, too; what a run does not have is absent, not zero', async () => {
  const published = await told(publish());
  assert.equal(published.get('liveproof_publish_frames_total'), publish().publish!.frames);
  assert.ok(![...published.keys()].some((name) => name.startsWith('liveproof_load')));
  const clusters = [await pretendFigures(edgeCluster)];
  const gated = await told({ ...gate(), clusters });
  const link = 'topology="edge-cluster",engine="builtin",from="edge-1",to="origin",carries="rtmp"';
  assert.equal(gated.get(`liveproof_link_connections_total{${link}}`), 2);
  assert.equal(gated.get(`liveproof_link_open_connections{${link}}`), 1);
  assert.equal(gated.get(`liveproof_link_bytes_total{${link},direction="down"}`), 1_234_000);
  const all = [...gated].filter(([name]) => name.startsWith('liveproof_findings_total'));
  assert.equal(
    all.reduce((sum, [, value]) => sum + value, 0),
    gate().findings.length,
  );
});

test('what a server says stays one label value, whatever it holds', async () => {
  const evil = `"} 1\nliveproof_verdict 0\n<script>alert(1)</script>\\`;
  const results = load({ reasons: { [evil]: 3 } }, [finding({ topology: evil, verdict: 'fail' })]);
  const text = await metricsOf(() => ({ ...results, verdict: 'fail' })).metrics();
  const metrics = readMetrics(text);
  assert.equal(metrics.get('liveproof_verdict'), 3);
  const escaped = evil.replaceAll('\\', '\\\\').replaceAll('\n', '\\n').replaceAll('"', '\\"');
  assert.equal(metrics.get(`liveproof_load_errors_total{reason="${escaped}"}`), 3);
});
