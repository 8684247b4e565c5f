/** Has a long load stayed as it began? A pure function over what was looked at meanwhile, and over what came out. */
import type { FrameTotals } from '../../drivers/swarm/crowd.ts';
import type { Verdict } from '../../reports/results.ts';

/** What one process held at one moment. */
export interface SoakSample {
  /** Since every client has joined, in seconds. */
  readonly second: number;
  readonly process: string;
  readonly rssMb: number;
  readonly descriptors: number;
}

export interface SoakOutcome {
  readonly clients: { readonly requested: number; readonly joined: number; readonly dropped: number };
  readonly frames: FrameTotals;
  /** Frames of the client that got fewest. */
  readonly framesOfWorst: number;
  /** In the histograms of latency, of all clients. */
  readonly latencySamples: number;
  /** By the publisher: from its begin to the end, and of these since every client has joined. */
  readonly published: { readonly all: number; readonly since: number };
  readonly generator: { readonly healthy: boolean; readonly reasons: readonly string[] };
  readonly interrupted: boolean;
}

export interface SoakFinding {
  readonly name: string;
  readonly verdict: Verdict;
  readonly says: string;
}

/** Of each process: below it a quarter of the run says nothing. */
const LEAST_SAMPLES = 16;
/** The second quarter of the run against the last: V8 sizes its heap anew at times, a leak goes on. */
const MOST_GROWTH_MB = 24;
const MOST_GROWTH_SHARE = 0.15;
const MOST_DESCRIPTORS = 8;
/** What may be under way at either end: merged writing, a GOP, the moment between two looks. */
const SLACK_FRAMES = 75;

export function judgeSoak(samples: readonly SoakSample[], outcome: SoakOutcome): SoakFinding[] {
  const last = Math.max(...samples.map(({ second }) => second));
  const names = [...new Set(samples.map(({ process }) => process))];
  const findings = [
    ...names.flatMap((name) =>
      flat(
        name,
        samples.filter((sample) => sample.process === name),
        last,
      ),
    ),
    ...(names.length === 0 ? [of('processes', 'inconclusive', 'nobody was looked at')] : []),
    excused(clients(outcome), outcome),
    excused(frames(outcome), outcome),
    histograms(outcome),
  ];
  const { healthy, reasons } = outcome.generator;
  if (!healthy) findings.push(of('generator', 'inconclusive', reasons.join('; ')));
  if (outcome.interrupted) findings.push(of('interrupted', 'inconclusive', 'it ended before its time'));
  return findings;
}

function of(name: string, verdict: Verdict, says: string): SoakFinding {
  return { name, verdict, says };
}

/** A generator that was held up may have lost them itself. */
function excused(finding: SoakFinding, { generator }: SoakOutcome): SoakFinding {
  return generator.healthy || finding.verdict !== 'fail' ? finding : { ...finding, verdict: 'inconclusive' };
}

/** @param last when anybody was looked at last. */
function flat(name: string, samples: readonly SoakSample[], last: number): SoakFinding[] {
  if (samples.length < LEAST_SAMPLES) {
    return [of(`${name}: flat`, 'inconclusive', `${samples.length} looks, at least ${LEAST_SAMPLES}`)];
  }
  const unread = samples.filter(({ rssMb, descriptors }) => !(rssMb > 0 && descriptors > 0)).length;
  if (unread > 0) {
    return [of(`${name}: flat`, 'inconclusive', `${unread} of ${samples.length} looks saw nothing of it`)];
  }
  const seenUntil = samples.at(-1)!.second;
  if (seenUntil < last) {
    return [of(`${name}: flat`, 'inconclusive', `not seen any more after ${seenUntil} of ${last} s`)];
  }
  const quarter = Math.floor(samples.length / 4);
  const [early, late] = [samples.slice(quarter, 2 * quarter), samples.slice(-quarter)];
  const of2 = (key: 'rssMb' | 'descriptors'): [number, number] => [
    median(early.map((sample) => sample[key])),
    median(late.map((sample) => sample[key])),
  ];
  const [rssBefore, rss] = of2('rssMb');
  const [filesBefore, files] = of2('descriptors');
  const most = Math.max(MOST_GROWTH_MB, rssBefore * MOST_GROWTH_SHARE);
  return [
    of(
      `${name}: memory`,
      rss - rssBefore > most ? 'fail' : 'pass',
      `${rssBefore.toFixed(0)} MB, then ${rss.toFixed(0)} MB; at most ${most.toFixed(0)} MB more`,
    ),
    of(
      `${name}: descriptors`,
      files - filesBefore > MOST_DESCRIPTORS ? 'fail' : 'pass',
      `${filesBefore}, then ${files}; at most ${MOST_DESCRIPTORS} more`,
    ),
  ];
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)]!;
}

/** Who interrupts a run while players join does not see the others come. */
function clients({ clients: { requested, joined, dropped }, interrupted }: SoakOutcome): SoakFinding {
  const kept = joined === requested && dropped === 0;
  const lost = interrupted && dropped === 0 ? 'inconclusive' : 'fail';
  return of('clients', kept ? 'pass' : lost, `${joined} of ${requested} joined, ${dropped} dropped`);
}

/** Every client has every frame of its time, so together they have clients times frames. */
function frames({ clients: { joined }, frames: got, framesOfWorst, published }: SoakOutcome): SoakFinding {
  const wrong = got.missing + got.duplicated + got.reordered + got.corrupt + got.unstamped;
  const least = published.since - SLACK_FRAMES;
  const most = joined * published.all;
  const enough = framesOfWorst >= least && got.received >= joined * least && got.received <= most;
  const says = `${got.received} received by ${joined}, ${framesOfWorst} by the one with fewest of ${published.since} that were published since all had joined; ${wrong} wrong`;
  if (published.since <= SLACK_FRAMES) return of('frames', 'inconclusive', `${says}: too few to tell`);
  return of('frames', enough && wrong === 0 ? 'pass' : 'fail', says);
}

/** Each frame that came whole has left one sample, whatever was merged out of which worker. */
function histograms({ frames: { received, unstamped, corrupt }, latencySamples }: SoakOutcome): SoakFinding {
  const expected = received - unstamped - corrupt;
  return of(
    'histograms',
    latencySamples === expected ? 'pass' : 'fail',
    `${latencySamples} samples of ${expected} frames`,
  );
}
