/**
 * The HTTP APIs of a cluster, run by k6: versions, streams, clients, offers over WHIP and WHEP and the end of what they
 * opened. Registration with a proxy is registration.ts.
 *
 *   k6 run -e API=http://127.0.0.1:1985 -e STREAM=livestream scenarios/k6/http-apis.ts
 *
 * Environment: API (required; `/api/v1/…` and `/rtc/v1/…` are asked there), APP (live), STREAM (livestream: a stream that
 * is published, WHEP asks for it), RTC (1; 0: no offers), RATE (rounds of requests per second, 10), DURATION (seconds,
 * 10), API_P99_MS (200) and OFFER_P99_MS (1000): bounds of our own, far above what a server on the same machine needs.
 * RESULTS (results.json), LIVEPROOF_ENVIRONMENT (JSON of the machine).
 */
import exec from 'k6/execution';
import http from 'k6/http';
import { Counter, Rate, Trend } from 'k6/metrics';
import type { Options } from 'k6/options';
import { isAccepted } from './parts/api-answer.ts';
import { LAG_REQUIREMENT, LAG_THRESHOLDS, pause } from './parts/generator-lag.ts';
import { signallingOffer } from './parts/offer.ts';
import { resolveUri } from './parts/resolve-uri.ts';
import { type K6Summary, type Requirement, summaryFiles, TREND_STATS } from './parts/summary.ts';

const api = __ENV.API ?? '';
if (api === '') throw new Error('-e API=http://… is needed');
const app = __ENV.APP ?? 'live';
const stream = __ENV.STREAM ?? 'livestream';
const rtc = (__ENV.RTC ?? '1') !== '0';
const rate = Number(__ENV.RATE ?? 10);
const duration = Number(__ENV.DURATION ?? 10);
const apiBound = Number(__ENV.API_P99_MS ?? 200);
const offerBound = Number(__ENV.OFFER_P99_MS ?? 1000);

const queried = new Rate('api_query_answered');
const queryTime = new Trend('api_query_time', true);
const offered = new Rate('rtc_offer_answered');
const offerTime = new Trend('rtc_offer_time', true);
const ended = new Rate('rtc_session_ended');
/** Slept before each round, to see how late k6 wakes up. */
const LOOK_MS = 10;

const dropped = new Counter('dropped_iterations');

/** A rate that must be 1, the time it takes, and whether they take part. */
const PARTS = [
  { part: true, rate: 'api_query_answered', time: 'api_query_time', bound: apiBound, what: 'queries' },
  { part: rtc, rate: 'rtc_offer_answered', time: 'rtc_offer_time', bound: offerBound, what: 'offers' },
].filter(({ part }) => part);

const REQUIREMENTS: Readonly<Record<string, Requirement>> = {
  ...Object.fromEntries(
    PARTS.flatMap(({ rate, time, what }) => [
      [rate, { title: `All ${what} are answered as they should be` }],
      [time, { title: `All ${what} are answered soon` }],
    ]),
  ),
  ...(rtc && { rtc_session_ended: { title: 'A session ends when it is deleted' } }),
  ...LAG_REQUIREMENT,
  dropped_iterations: {
    title: 'The generator kept its rate',
    generator: true,
    witness: 'api_query_answered',
  },
};

export const options: Options = {
  scenarios: {
    rounds: {
      executor: 'constant-arrival-rate',
      rate,
      duration: `${duration}s`,
      preAllocatedVUs: Math.max(5, rate),
      maxVUs: Math.max(20, 4 * rate),
    },
  },
  summaryTrendStats: TREND_STATS,
  thresholds: {
    ...Object.fromEntries(
      PARTS.flatMap(({ rate, time, bound }) => [
        [rate, ['rate==1']],
        [time, [`p(99)<${bound}`]],
      ]),
    ),
    ...(rtc && { rtc_session_ended: ['rate==1'] }),
    ...LAG_THRESHOLDS,
    dropped_iterations: ['count==0'],
  },
};

function query(name: 'versions' | 'streams' | 'clients'): void {
  const answer = http.get(`${api}/api/v1/${name}`, { responseType: 'text', tags: { name } });
  queried.add(isAccepted(answer));
  queryTime.add(answer.timings.duration);
}

/** WHIP publishes a stream of its own; WHEP plays the one that is there. */
function offer(use: 'publish' | 'play'): void {
  const [path, name] =
    use === 'publish' ? ['whip', `k6-${exec.vu.idInTest}-${exec.vu.iterationInScenario}`] : ['whep', stream];
  const url = `${api}/rtc/v1/${path}/?app=${app}&stream=${name}`;
  const answer = http.post(url, signallingOffer(use), {
    responseType: 'text',
    headers: { 'Content-Type': 'application/sdp' },
    tags: { name: path },
  });
  const location = answer.headers.Location;
  offered.add(answer.status === 201 && location !== undefined && (answer.body ?? '').startsWith('v=0'));
  offerTime.add(answer.timings.duration);
  const session = location === undefined ? undefined : resolveUri(location, url);
  if (session === undefined) return;
  const { status } = http.del(session, null, { responseType: 'text', tags: { name: `${path} delete` } });
  ended.add(status >= 200 && status < 300);
}

export default function round(): void {
  dropped.add(0);
  pause(LOOK_MS);
  for (const name of ['versions', 'streams', 'clients'] as const) query(name);
  if (!rtc) return;
  offer('publish');
  offer('play');
}

export function handleSummary(summary: K6Summary): Record<string, string> {
  const run = { script: 'http-apis', plannedMs: duration * 1000, requirements: REQUIREMENTS };
  return summaryFiles(summary, run, __ENV);
}
