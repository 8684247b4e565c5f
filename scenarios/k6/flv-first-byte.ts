/**
 * Time to the first byte of HTTP-FLV, run by k6. k6 cannot read an endless body: it gives up at the timeout and hands
 * nothing of the body to the script, but it knows when the answer began and whether bytes followed. Loss and latency
 * of FLV are our swarm's (`liveproof load`).
 *
 *   k6 run -e URLS=http://127.0.0.1:8080/live/a.flv scenarios/k6/flv-first-byte.ts
 *
 * Environment: URLS (separated by commas; required), RATE (joins per second, 10), DURATION (seconds, 10), WAIT_MS (how
 * long one player stays, 1000), FIRST_BYTE_P99_MS (500: the first byte of FLV is its header, which SRS sends at once),
 * RESULTS (results.json), LIVEPROOF_ENVIRONMENT (JSON of the machine).
 */
import exec from 'k6/execution';
import http from 'k6/http';
import { Counter, Rate, Trend } from 'k6/metrics';
import type { Options } from 'k6/options';
import { LAG_REQUIREMENT, LAG_THRESHOLDS, lagged } from './parts/generator-lag.ts';
import { type K6Summary, type Requirement, summaryFiles, TREND_STATS } from './parts/summary.ts';

const urls = (__ENV.URLS ?? '').split(',').filter((url) => url !== '');
if (urls.length === 0) throw new Error('-e URLS=http://….flv[,…] is needed');
const rate = Number(__ENV.RATE ?? 10);
const duration = Number(__ENV.DURATION ?? 10);
const waitMs = Number(__ENV.WAIT_MS ?? 1000);
const bound = Number(__ENV.FIRST_BYTE_P99_MS ?? 500);
/** Of k6: the request timed out, here in the middle of its body. */
const REQUEST_TIMEOUT = 1050;

const firstByte = new Trend('flv_first_byte', true);
const served = new Rate('flv_served');
const dropped = new Counter('dropped_iterations');

const REQUIREMENTS: Readonly<Record<string, Requirement>> = {
  flv_served: { title: 'Every player gets an endless answer' },
  flv_first_byte: { title: 'The first byte comes soon' },
  ...LAG_REQUIREMENT,
  dropped_iterations: {
    title: 'The generator had players to spare',
    generator: true,
    witness: 'flv_served',
  },
};

export const options: Options = {
  scenarios: {
    joins: {
      executor: 'constant-arrival-rate',
      rate,
      duration: `${duration}s`,
      preAllocatedVUs: Math.ceil((rate * waitMs) / 1000) + 5,
      maxVUs: 2 * Math.ceil((rate * waitMs) / 1000) + 20,
      gracefulStop: `${Math.ceil(waitMs / 1000) + 5}s`,
    },
  },
  summaryTrendStats: TREND_STATS,
  thresholds: {
    flv_served: ['rate==1'],
    flv_first_byte: [`p(99)<${bound}`],
    ...LAG_THRESHOLDS,
    dropped_iterations: ['count==0'],
  },
};

export default function join(): void {
  dropped.add(0);
  const url = urls[exec.scenario.iterationInTest % urls.length]!;
  const { error_code: code, timings } = http.get(url, {
    responseType: 'none',
    timeout: waitMs,
    tags: { name: 'flv' },
  });
  const streaming = code === REQUEST_TIMEOUT && timings.receiving > 0;
  served.add(streaming);
  // A timeout that k6 notices late says how late k6 is.
  if (code === REQUEST_TIMEOUT) lagged(timings.duration - waitMs);
  if (streaming) firstByte.add(timings.connecting + timings.waiting);
}

export function handleSummary(summary: K6Summary): Record<string, string> {
  const run = { script: 'flv-first-byte', plannedMs: duration * 1000, requirements: REQUIREMENTS };
  return summaryFiles(summary, run, __ENV);
}
