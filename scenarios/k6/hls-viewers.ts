/**
 * HLS viewers, run by k6: one per virtual user. Latency, loss and stalls come from the stamp in every frame, read by the
 * same code as in our swarm.
 *
 *   k6 run -e URLS=http://127.1.0.6:8080/live/a.m3u8 -e CLIENTS=20 -e INSPECT=10 scenarios/k6/hls-viewers.ts
 *
 * Environment: URLS (separated by commas; required), CLIENTS (10), RAMP (seconds, 5), DURATION (seconds after the ramp,
 * 30), INSPECT (1: every viewer reads every frame; N: of each URL one viewer in N does, the others load and throw away,
 * which is what k6 can do for many), HLS_START (3-segments, or live-edge), LATENCY_P99_MS (6000: three target durations
 * of 2 s, RFC 8216 6.3.3), RESULTS (results.json), LIVEPROOF_ENVIRONMENT (JSON of the machine).
 */
import exec from 'k6/execution';
import http from 'k6/http';
import { Counter, Rate, Trend } from 'k6/metrics';
import type { Options } from 'k6/options';
import type { StartMode } from '../../protocols/hls/reload.ts';
import { assignmentOf } from './parts/assignment.ts';
import { LAG_REQUIREMENT, LAG_THRESHOLDS, lagged, pause } from './parts/generator-lag.ts';
import { HlsViewer, ViewerProblem } from './parts/hls-viewer.ts';
import { type K6Summary, type Requirement, summaryFiles, TREND_STATS } from './parts/summary.ts';

const urls = (__ENV.URLS ?? '').split(',').filter((url) => url !== '');
if (urls.length === 0) throw new Error('-e URLS=http://….m3u8[,…] is needed');
const clients = Number(__ENV.CLIENTS ?? 10);
const ramp = Number(__ENV.RAMP ?? 5);
const duration = Number(__ENV.DURATION ?? 30);
const inspectEvery = Number(__ENV.INSPECT ?? 1);
const start = (__ENV.HLS_START ?? '3-segments') as StartMode;
const latencyBound = Number(__ENV.LATENCY_P99_MS ?? 6000);
const TIMEOUT = '10s';

const steady = new Trend('hls_latency', true);
const join = new Trend('hls_join_latency', true);
const startup = new Trend('hls_startup', true);
const joined = new Rate('hls_joined');
const frames = new Counter('hls_frames');
const missing = new Counter('hls_frames_missing');
const duplicated = new Counter('hls_frames_duplicated');
const reordered = new Counter('hls_frames_reordered');
const corrupt = new Counter('hls_frames_corrupt');
const unstamped = new Counter('hls_frames_unstamped');
const stalls = new Counter('hls_stalls');
const stalled = new Counter('hls_stalled_time', true);
const watched = new Counter('hls_watched_time', true);
const problems = new Counter('hls_problems');
const bytes = new Counter('hls_bytes');

const REQUIREMENTS: Readonly<Record<string, Requirement>> = {
  hls_joined: { title: 'Every viewer gets a keyframe, or a segment where it does not look inside' },
  hls_latency: { title: 'Frames come in time' },
  hls_frames_missing: { title: 'No frame is missing', witness: 'hls_latency' },
  hls_frames_duplicated: { title: 'No frame comes twice', witness: 'hls_latency' },
  hls_frames_reordered: { title: 'Frames come in order', witness: 'hls_latency' },
  hls_frames_corrupt: { title: 'No frame is damaged', witness: 'hls_frames' },
  hls_frames_unstamped: { title: 'Every frame can be judged', witness: 'hls_frames' },
  hls_problems: { title: 'Playlists and segments come, fresh and whole', witness: 'hls_frames' },
  ...LAG_REQUIREMENT,
};

const NONE = ['count==0'];

export const options: Options = {
  scenarios: {
    viewers: {
      executor: 'per-vu-iterations',
      vus: clients,
      iterations: 1,
      maxDuration: `${ramp + duration + 30}s`,
    },
  },
  summaryTrendStats: TREND_STATS,
  thresholds: {
    hls_joined: ['rate==1'],
    hls_latency: [`p(99)<${latencyBound}`],
    ...LAG_THRESHOLDS,
    hls_frames_missing: NONE,
    hls_frames_duplicated: NONE,
    hls_frames_reordered: NONE,
    hls_frames_corrupt: NONE,
    hls_frames_unstamped: NONE,
    hls_problems: NONE,
    // The summary has the parts of a metric only when there is a threshold on them.
    ...Object.fromEntries(
      Object.values(ViewerProblem).map((code) => [`hls_problems{code:${code}}`, ['count>=0']]),
    ),
    'http_req_duration{name:playlist}': ['max>=0'],
    'http_req_duration{name:segment}': ['max>=0'],
  },
};

export default function viewer(): void {
  const number = exec.vu.idInTest - 1;
  const { url, inspect } = assignmentOf(exec.vu, urls, inspectEvery);
  const until = exec.scenario.startTime + (ramp + duration) * 1000;
  pause((ramp * 1000 * number) / clients);
  const viewer = new HlsViewer(
    url,
    {
      now: Date.now,
      sleep: pause,
      playlist: (url) => {
        const { status, body } = http.get(url, {
          responseType: 'text',
          timeout: TIMEOUT,
          tags: { name: 'playlist' },
        });
        bytes.add(body?.length ?? 0);
        return { status, body };
      },
      segment: (url) => {
        const { status, body } = http.get(url, {
          responseType: 'binary',
          timeout: TIMEOUT,
          tags: { name: 'segment' },
        });
        bytes.add(body?.byteLength ?? 0);
        return { status, body };
      },
      onSteady: (ms) => steady.add(ms),
      onJoin: (ms) => join.add(ms),
      onShown: (ms) => startup.add(ms),
      onProblem: (code) => problems.add(1, { code }),
      onBusy: lagged,
    },
    { start, inspect },
  );
  try {
    viewer.play(until);
  } finally {
    report(viewer, inspect);
  }
}

/** Once per viewer, also when it broke. */
function report({ frames: of, loaded }: HlsViewer, inspected: boolean): void {
  joined.add(inspected ? of.joined : loaded > 0);
  frames.add(of.received);
  missing.add(of.continuity.missing);
  duplicated.add(of.continuity.duplicated);
  reordered.add(of.continuity.reordered);
  corrupt.add(of.corrupt);
  unstamped.add(of.unstamped);
  stalls.add(of.model.stalls);
  stalled.add(of.model.stalledMs);
  watched.add(of.model.watchedUntil(Date.now()));
}

export function handleSummary(summary: K6Summary): Record<string, string> {
  const run = { script: 'hls-viewers', plannedMs: (ramp + duration) * 1000, requirements: REQUIREMENTS };
  return summaryFiles(summary, run, __ENV);
}
