/**
 * Registrations of origins with a proxy (seeds/001, Register), run by k6: one origin per virtual user, again and again,
 * as heartbeats come. These origins do not exist, and a proxy that takes them in sends new streams to them until it
 * takes them for dead: only for a proxy that nobody else uses.
 *
 *   k6 run -e SYSTEM=http://127.0.0.1:12025 scenarios/k6/registration.ts
 *
 * Environment: SYSTEM (required; where origins register), ORIGINS (100), RATE (registrations per second, 100), DURATION
 * (seconds, 10), API_P99_MS (200: a bound of our own), RESULTS (results.json), LIVEPROOF_ENVIRONMENT (JSON of the
 * machine).
 */
import exec from 'k6/execution';
import http from 'k6/http';
import { Counter, Rate, Trend } from 'k6/metrics';
import type { Options } from 'k6/options';
import { isAccepted } from './parts/api-answer.ts';
import { LAG_REQUIREMENT, LAG_THRESHOLDS, pause } from './parts/generator-lag.ts';
import { type K6Summary, type Requirement, summaryFiles, TREND_STATS } from './parts/summary.ts';

const system = __ENV.SYSTEM ?? '';
if (system === '') throw new Error('-e SYSTEM=http://… is needed');
const origins = Number(__ENV.ORIGINS ?? 100);
const rate = Number(__ENV.RATE ?? 100);
const duration = Number(__ENV.DURATION ?? 10);
const bound = Number(__ENV.API_P99_MS ?? 200);

const registered = new Rate('register_accepted');
const time = new Trend('register_time', true);
/** Slept before each round, to see how late k6 wakes up. */
const LOOK_MS = 10;

const dropped = new Counter('dropped_iterations');

const REQUIREMENTS: Readonly<Record<string, Requirement>> = {
  register_accepted: { title: 'Every registration is accepted' },
  register_time: { title: 'Registrations are answered soon' },
  ...LAG_REQUIREMENT,
  dropped_iterations: {
    title: 'The generator kept its rate',
    generator: true,
    witness: 'register_accepted',
  },
};

export const options: Options = {
  scenarios: {
    heartbeats: {
      executor: 'constant-arrival-rate',
      rate,
      duration: `${duration}s`,
      preAllocatedVUs: origins,
      maxVUs: origins,
    },
  },
  summaryTrendStats: TREND_STATS,
  thresholds: {
    register_accepted: ['rate==1'],
    register_time: [`p(99)<${bound}`],
    ...LAG_THRESHOLDS,
    dropped_iterations: ['count==0'],
  },
};

export default function register(): void {
  dropped.add(0);
  pause(LOOK_MS);
  const id = `k6-${exec.vu.idInTest}`;
  const body = { ip: '127.0.0.1', server: id, service: id, pid: id, rtmp: ['19350'], device_id: id };
  const answer = http.post(`${system}/api/v1/srs/register`, JSON.stringify(body), {
    responseType: 'text',
    headers: { 'Content-Type': 'application/json' },
    tags: { name: 'register' },
  });
  registered.add(isAccepted(answer));
  time.add(answer.timings.duration);
}

export function handleSummary(summary: K6Summary): Record<string, string> {
  const run = { script: 'registration', plannedMs: duration * 1000, requirements: REQUIREMENTS };
  return summaryFiles(summary, run, __ENV);
}
