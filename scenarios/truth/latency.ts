/** Links with a known delay: the latency that is reported is that of a link without one, and the delay. */
import { setTimeout as sleep } from 'node:timers/promises';
import { joined } from './joining.ts';
import { type Rig, RigWatch } from './rig.ts';
import {
  judgeTruth,
  LATENCY_TOLERANCE_MS,
  type Observation,
  SEGMENT_MS,
  type TruthProtocol,
  type TruthRow,
  WRITE_MS,
} from './rows.ts';
import type { Seat } from './seat.ts';
import { playedAs, streamFor } from './streams.ts';

/** In ms. The first is one of them, and not the player that all are held against. */
const DELAYS = [0, 50, 200, 1000] as const;
/**
 * The playlist that names a segment is delayed, and then the segment. No playlist is asked for while the last one is on its
 * way, so that what is new may wait for one delay more.
 */
const HLS_ANSWERS = 2;
/** What the handshake of an SRT player was late by is part of its latency for good: the fastest of so many is measured. */
const SRT_TRIES = 3;
/** What was on its way when the last one joined has come. */
const SETTLE_MS = 1500;

/** All measured at the same time, so that all figures are of the same frames. */
export async function latencyRows(
  rig: Rig,
  protocols: readonly TruthProtocol[],
  windowMs: number,
): Promise<TruthRow[]> {
  await streamFor(rig, protocols, 'latency');
  const open = async (protocol: TruthProtocol, ms: number): Promise<Seat> => {
    const seats: Seat[] = [];
    for (let i = 0; i < (protocol === 'srt' ? SRT_TRIES : 1); i++) {
      const link = await rig.link(protocol);
      if (ms > 0) link.delay(ms);
      const seat = rig.seat(protocol, playedAs(protocol, 'latency'), link);
      await joined(seat);
      seats.push(seat);
    }
    const [fastest, ...others] = seats.sort((a, b) => connectedAfter(a) - connectedAfter(b));
    for (const other of others) other.close();
    return fastest!;
  };
  // Code that runs for the first time is slow: the players after it are measured.
  await Promise.all(protocols.map(async (protocol) => (await open(protocol, 0)).close()));
  const groups = await Promise.all(
    protocols.map(async (protocol) => {
      const base = await open(protocol, 0);
      const delayed: { ms: number; seat: Seat }[] = [];
      // One by one, so that none is late for the sake of others.
      for (const ms of DELAYS) delayed.push({ ms, seat: await open(protocol, ms) });
      return { protocol, base, delayed };
    }),
  );
  const seats = groups.flatMap(({ base, delayed }) => [base, ...delayed.map(({ seat }) => seat)]);
  await sleep(SETTLE_MS);
  for (const { histograms } of seats) histograms.steady.reset();
  const watch = new RigWatch();
  await sleep(windowMs);
  const health = watch.read();
  return groups.flatMap(({ protocol, base, delayed }) =>
    [
      ...absoluteOf(protocol, base),
      ...delayed.map(({ ms, seat }) => latencyOf(protocol, ms, base, seat)),
    ].map((seen) => judgeTruth(seen, health)),
  );
}

/**
 * What is wrong in all latencies alike does not show beside another of them. Without a delay a frame waits for a write, half
 * of the interval at the median, or for nothing. How long SRT and HLS hold a frame is up to handshakes and segments.
 */
function absoluteOf(protocol: TruthProtocol, { histograms: { steady } }: Seat): Observation[] {
  if (protocol === 'srt' || protocol === 'hls') return [];
  return [
    {
      protocol,
      part: 'latency',
      injected: 'no delay',
      figure: 'steady latency p50, by itself',
      unit: 'ms',
      expected: protocol === 'rtmp' || protocol === 'flv' ? WRITE_MS / 2 : 0,
      reported: steady.percentile(50),
      tolerance: LATENCY_TOLERANCE_MS,
      samples: steady.count,
    },
  ];
}

function latencyOf(protocol: TruthProtocol, ms: number, base: Seat, seat: Seat): Observation {
  const steady = seat.histograms.steady;
  return {
    protocol,
    part: 'latency',
    injected: `${ms} ms of delay`,
    figure: 'steady latency p50',
    unit: 'ms',
    expected:
      (base.histograms.steady.percentile(50) ?? Number.NaN) + ms * (protocol === 'hls' ? HLS_ANSWERS : 1),
    reported: steady.percentile(50),
    tolerance: protocol === 'hls' ? SEGMENT_MS + ms : LATENCY_TOLERANCE_MS,
    samples: Math.min(steady.count, base.histograms.steady.count),
  };
}

function connectedAfter({ player: { timing } }: Seat): number {
  const ms = timing.play - timing.started;
  return Number.isNaN(ms) ? Number.POSITIVE_INFINITY : ms;
}
