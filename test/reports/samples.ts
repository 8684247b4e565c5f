/** Results as a gate, a load and a run of mutants leave them. */
import { build, encodeIntoCompressedBase64 } from 'hdr-histogram-js';
import type {
  Distribution,
  Environment,
  FailoverTimeline,
  Finding,
  HlsLoad,
  Load,
  Publish,
  Results,
  SrtLoad,
  WebRtcLoad,
} from '../../reports/results.ts';
import type { GateHealth } from '../../reports/results-gate.ts';

export const ENVIRONMENT: Environment = {
  liveproof: '0.1.0',
  node: '20.20.0',
  os: 'Debian GNU/Linux 12 (bookworm), kernel 6.1.0',
  cpu: 'Example CPU @ 2.60GHz',
  cores: 2,
  memoryGb: 7.8,
  programs: { haproxy: '2.6.12' },
};

export function finding(of: Partial<Finding> = {}): Finding {
  return {
    check: 'back-to-source/merged-per-edge',
    title: 'An edge pulls a stream once, however many players it has',
    level: 'must',
    spec: {
      source: 'SRS edge cluster',
      where: 'Edge Cluster, back-to-source',
      says: 'Whatever the number of its players, an edge fetches a stream from upstream one time.',
    },
    topology: 'edge-cluster',
    engine: 'builtin',
    verdict: 'pass',
    expected: 'one upstream connection per edge while 40 players watch',
    actual: 'one upstream connection on each of 3 edges',
    evidence: [
      { label: 'tap edge-1', detail: 'most open at once: 1' },
      { label: 'api origin', detail: 'clients 4, of which upstreams 3, publishers 1' },
    ],
    durationMs: 2140,
    ...of,
  };
}

/** A fault that three kinds of clients bore, and one did not. */
export function timeline(of: Partial<FailoverTimeline> = {}): FailoverTimeline {
  const common = { lost: 0, unsent: 0, doubled: 0, sessions: 0, since: 'fault' as const };
  return {
    fault: 'kill origin',
    at: '2026-11-21T01:19:28.753Z',
    cured: 1500,
    marks: [
      { ms: 1400, what: 'restart origin' },
      { ms: 1550, what: 'encoder publishes again' },
    ],
    clients: [
      {
        ...common,
        client: 'encoder',
        part: 'publishes',
        lastGood: -9,
        firstGood: 1550,
        gap: 1559,
        bound: 2000,
        unsent: 38,
        sessions: 2,
      },
      {
        ...common,
        client: 'edge-1-rtmp',
        part: 'waits',
        lastGood: -46,
        firstGood: 3043,
        gap: 3089,
        bound: 7800,
        lost: 2,
        since: 'cure',
      },
      {
        ...common,
        client: 'edge-2-rtmp',
        part: 'untouched',
        lastGood: 100,
        firstGood: 300,
        gap: 200,
        bound: 500,
      },
      {
        ...common,
        client: 'edge-3-rtmp',
        part: 'waits',
        lastGood: -46,
        firstGood: null,
        gap: 8000,
        bound: 5800,
      },
    ],
    gap: { p50: 3089, p90: 8000, p99: 8000, p999: 8000, max: 8000, count: 3 },
    connections: [
      { second: 0, opened: 0, refused: 0 },
      { second: 1, opened: 1, refused: 2 },
    ],
    storm: { worst: 3, node: 'edge-1', bound: 1 },
    ...of,
  };
}

function results(of: Partial<Results> & Pick<Results, 'kind' | 'verdict' | 'findings'>): Results {
  return {
    schema: 'liveproof/results@1',
    startedAt: '2026-11-20T18:50:40.000Z',
    durationMs: 81_400,
    interrupted: false,
    command: ['liveproof', of.kind],
    environment: ENVIRONMENT,
    ...of,
  };
}

export function gate(findings: Finding[] = gateFindings()): Results {
  return results({
    kind: 'gate',
    verdict: 'fail',
    findings,
    health: gateHealth(),
    history: { file: 'history.ndjson', lines: 48_213 },
  });
}

export function gateHealth(of: Partial<GateHealth> = {}): GateHealth {
  const place = { topology: 'edge-cluster', engine: 'builtin' };
  return {
    observations: 41,
    loopLag: { ms: 38.4, check: 'fan-out/spread', ...place },
    wait: {
      ...{ process: 'origin', waitedMs: 120, othersShare: 0.4, stolenMs: 0, keptMs: 48 },
      ...{ check: 'back-to-source/lazy', ...place },
    },
    boundMs: 250,
    starved: 0,
    ...of,
  };
}

function gateFindings(): Finding[] {
  return [
    finding(),
    finding({ check: 'back-to-source/lazy', title: 'Without a player nothing is pulled', durationMs: 1020 }),
    finding({
      check: 'back-to-source/released',
      title: 'When the last player leaves, the upstream goes within 2 s',
      verdict: 'fail',
      expected: 'no upstream connection 2 s after the last player left',
      actual: 'edge-2 still had its upstream connection after 4.9 s',
      evidence: [
        { label: 'tap edge-2', detail: 'open 1 at +0.000 s, 1 at +2.000 s, 1 at +4.913 s' },
        { label: 'history', detail: 'history.ndjson lines 18211-18460' },
      ],
    }),
    finding({ check: 'fan-out/every-player-every-frame', title: 'Every player gets every frame' }),
    finding({
      check: 'fan-out/spread',
      title: 'Players through the balancer land on all edges',
      level: 'should',
      verdict: 'inconclusive',
      expected: 'tap and API count the same players per edge',
      actual: 'the tap of edge-3 counts 14, its API 13',
    }),
    finding({ check: 'rtmp/handshake-digest', title: 'The digest handshake is answered in its own form' }),
    finding({ check: 'flv/header', title: 'The FLV header and every tag are well formed' }),
  ];
}

export function mutants(): Results {
  const of = (check: string, title: string, killers: Record<string, Finding['verdict']>) => [
    finding({ check, title }),
    ...Object.entries(killers).map(([mutant, verdict]) =>
      finding({
        check,
        title,
        mutant,
        verdict,
        expected: 'the check turns red',
        actual: verdict === 'pass' ? 'it failed: 40 upstream connections' : 'it passed',
      }),
    ),
  ];
  return results({
    kind: 'mutants',
    verdict: 'fail',
    findings: [
      ...of('back-to-source/merged-per-edge', 'An edge pulls a stream once', {
        'edge-pulls-per-player': 'pass',
        'edge-pulls-per-protocol': 'pass',
      }),
      ...of('back-to-source/merged-under-herd', 'A herd of joins makes one pull', {
        'edge-pulls-twice-under-herd': 'fail',
        'edge-pulls-per-player': 'pass',
      }),
      ...of('back-to-source/lazy', 'Without a player nothing is pulled', { 'edge-pulls-eagerly': 'pass' }),
      ...of('back-to-source/released', 'The upstream goes with the last player', {
        'edge-never-releases': 'pass',
      }),
      ...of('fan-out/every-player-every-frame', 'Every player gets every frame', {
        'media-drops-frames': 'pass',
        'media-corrupts-frames': 'pass',
      }),
    ],
  });
}

/** `samples` values that grow from `from` ms with a tail of `tail` ms, the same in every run. */
export function distribution(samples: number, from: number, tail: number): Distribution {
  const histogram = build({
    bitBucketSize: 32,
    highestTrackableValue: 3_600_000_000,
    numberOfSignificantValueDigits: 3,
  });
  for (let i = 0; i < samples; i++) {
    const u = (i + 0.5) / samples;
    histogram.recordValue(Math.round((from * (0.6 + 0.8 * u) + tail * (-Math.log10(1 - u)) ** 1.7) * 1000));
  }
  const at = (percent: number) => histogram.getValueAtPercentile(percent) / 1000;
  return {
    p50: at(50),
    p90: at(90),
    p99: at(99),
    p999: at(99.9),
    max: histogram.maxValue / 1000,
    count: samples,
    hdr: encodeIntoCompressedBase64(histogram),
  };
}

export const NO_SAMPLE: Distribution = { p50: null, p90: null, p99: null, p999: null, max: null, count: 0 };

export function loadFigures(of: Partial<Load> = {}): Load {
  return {
    urls: ['rtmp://127.0.0.1:1935/live/stream', 'http://127.0.0.1:8080/live/stream.flv'],
    seconds: 30,
    clients: { requested: 5000, joined: 5000, failed: 0, dropped: 0 },
    reasons: {},
    bytes: 8.4e9,
    startup: distribution(5000, 60, 12),
    latency: { join: distribution(40_000, 900, 60), steady: distribution(200_000, 90, 9) },
    stalls: { count: 0, ratio: 0, lasting: 0 },
    frames: { received: 3_600_000, unstamped: 0, missing: 0, duplicated: 0, reordered: 0, corrupt: 0 },
    generator: { healthy: true, reasons: [], loopLagP99Ms: 14.2, cpuCores: 0.71, rssMb: 412 },
    timeline: Array.from({ length: 30 }, (_, second) => {
      const joined = Math.min(5000, (second + 1) * 1000);
      return {
        second: second + 1,
        joined,
        failed: 0,
        mbitPerSecond: joined * 0.48 * (1 + 0.03 * Math.sin(second)),
        latencyP50: second === 0 ? null : 92 + 4 * Math.sin(second / 2),
        latencyP99: second === 0 ? null : 160 + 30 * Math.sin(second / 3) ** 2,
        stalls: 0,
        loopLagMs: 6 + 5 * Math.sin(second) ** 2,
      };
    }),
    ...of,
  };
}

export function publish(of: Partial<Publish> = {}): Results {
  return results({
    kind: 'publish',
    verdict: 'fail',
    findings: [finding({ check: 'publish/accepted', verdict: 'fail' })],
    publish: {
      urls: Array.from({ length: 10 }, (_, i) => `rtmp://127.0.0.1/live/stream-${i + 1}`),
      seconds: 25.1,
      clients: { requested: 10, joined: 9, failed: 1, dropped: 0 },
      reasons: { 'rtmp.rejected': 1 },
      frames: 5625,
      bytes: 13.5e6,
      lag: distribution(5625, 2, 0.4),
      untaken: { boundMs: 5000, worstMs: 40, lastMs: 0, lateMs: 42, streams: 0 },
      generator: { healthy: true, reasons: [], loopLagP99Ms: 3.4, cpuCores: 0.05, rssMb: 90 },
      ...of,
    },
  });
}

export function hlsFigures(of: Partial<HlsLoad> = {}): HlsLoad {
  return {
    playlists: {
      requests: 9000,
      failed: 0,
      missing: 0,
      bytes: 2.1e6,
      time: distribution(9000, 1, 2),
      staleness: distribution(9000, 40, 200),
    },
    segments: { requests: 8800, failed: 0, missing: 0, bytes: 1.1e9, time: distribution(8800, 4, 9) },
    retries: 0,
    resends: 2,
    finished: 0,
    problems: {},
    targetDurationMs: 2000,
    ...of,
  };
}

export function srtFigures(of: Partial<SrtLoad> = {}): Required<SrtLoad> {
  return {
    players: 500,
    packets: {
      ...{ received: 400_000, retransmitted: 31, lost: 31, reordered: 0, dropped: 0 },
      ...{ belated: 0, duplicated: 0, undecryptable: 0, malformed: 0 },
    },
    naks: 29,
    playersWithLoss: 17,
    playersWithDrops: 0,
    worstDropped: 0,
    worst: [
      { rttMs: 0.7, lost: 4, dropped: 0, belated: 0, naks: 3 },
      { rttMs: 0.4, lost: 0, dropped: 0, belated: 0, naks: 0 },
    ],
    latencyMs: 120,
    rtt: distribution(15_000, 0.4, 0.3),
    problems: {},
    ...of,
  };
}

export function webRtcFigures(of: Partial<WebRtcLoad> = {}): WebRtcLoad {
  return {
    transport: 'lite',
    players: 500,
    offers: { requests: 500, failed: 0, time: distribution(500, 3, 2) },
    rtp: {
      ...{ packets: 500_000, bytes: 4.1e8, videoPackets: 400_000, audioPackets: 100_000, lost: 0 },
      ...{ recovered: 4, late: 4, duplicated: 0, audioLost: 0, damaged: 0, nacked: 4, plis: 2 },
      ...{ malformed: 0, unknown: 0, restarts: 0 },
    },
    srtp: { opened: 190_000, peeked: 310_000, forged: 0, replayed: 0, malformed: 0 },
    framesVerified: 3000,
    playersWithLoss: 0,
    worstLost: 0,
    jitter: distribution(15_000, 2, 1),
    problems: {},
    ...of,
  };
}

export function load(
  of: Partial<Load> = {},
  findings: Finding[] = [finding({ check: 'load/joined' })],
): Results {
  return results({
    kind: 'load',
    verdict: findings[0]!.verdict,
    findings,
    load: loadFigures(of),
    command: ['liveproof', 'load', 'rtmp://127.0.0.1:1935/live/stream', '--clients', '5000'],
  });
}
