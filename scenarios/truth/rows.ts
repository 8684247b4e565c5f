/** What was injected beside what was reported, and the verdict on each pair. Pure. */
import { MAX_LOOP_LAG_P99_MS } from '../../drivers/swarm/health.ts';
import type { Verdict } from '../../reports/results.ts';

export const TRUTH_PROTOCOLS = ['rtmp', 'flv', 'hls', 'srt', 'whep-lite', 'whep-datachannel'] as const;
export type TruthProtocol = (typeof TRUTH_PROTOCOLS)[number];

export const TRUTH_PARTS = ['latency', 'loss', 'cuts', 'frames', 'pause', 'starved'] as const;
export type TruthPart = (typeof TRUTH_PARTS)[number];

/** Beyond it a latency is not the injected one (issue 7, section 2). */
export const LATENCY_TOLERANCE_MS = 5;
/** Of the rig's HLS. A frame comes with its segment, so that a latency is known to one of them. */
export const SEGMENT_MS = 1000;
/** Of the media that is published, 25 frames/s. */
export const FRAME_MS = 40;
/** The rig's origin writes to players this often. */
export const WRITE_MS = 8;
/** A median of fewer frames says little. */
export const LEAST_SAMPLES = 25;
/**
 * Of the process in which publisher, taps and players are, p99, where times are judged. A loop that is late by more moves
 * latencies by more than is tolerated here; the 100 ms of a load are for figures that need not be right to 5 ms, and for counts.
 */
export const MAX_RIG_LAG_MS = 20;

/** One figure that was reported, and the one that it has to be. */
export interface Observation {
  readonly protocol: TruthProtocol;
  readonly part: TruthPart;
  /** In words: `50 ms of delay`. */
  readonly injected: string;
  /** Which of the reported figures. */
  readonly figure: string;
  readonly unit: 'ms' | '';
  readonly expected: number;
  /** Null when there was none. */
  readonly reported: number | null;
  readonly tolerance: number;
  /** Frames or packets that the figure is of; what it has to be of at least. */
  readonly samples: number;
  readonly leastSamples?: number;
}

/** Whether the rig itself was in order meanwhile. */
export interface RigHealth {
  readonly lagP99Ms: number;
  /** What else is wrong with it. */
  readonly reasons: readonly string[];
}

export interface TruthRow extends Observation {
  readonly verdict: Verdict;
  /** Why it is not a pass; empty when it is one. */
  readonly because: string;
}

/** A figure is judged only when the rig was healthy and there were enough samples. */
export function judgeTruth(seen: Observation, health: RigHealth): TruthRow {
  const { reported, expected, tolerance, samples, leastSamples = LEAST_SAMPLES, unit } = seen;
  const said = (verdict: Verdict, because: string): TruthRow => ({ ...seen, verdict, because });
  const most = unit === 'ms' ? MAX_RIG_LAG_MS : MAX_LOOP_LAG_P99_MS;
  const unhealthy = [
    ...(health.lagP99Ms > most
      ? [`event loop lag p99 ${health.lagP99Ms.toFixed(0)} ms, at most ${most} ms`]
      : []),
    ...health.reasons,
  ];
  if (unhealthy.length > 0) return said('inconclusive', unhealthy.join('; '));
  if (samples < leastSamples) return said('inconclusive', `${samples} samples, at least ${leastSamples}`);
  if (reported === null || !Number.isFinite(reported)) return said('fail', 'nothing was reported');
  const off = reported - expected;
  if (Math.abs(off) <= tolerance) return said('pass', '');
  return said('fail', `off by ${measure(off, unit)}, at most ${measure(tolerance, unit)}`);
}

/** With its unit. */
export function measure(value: number, unit: Observation['unit']): string {
  return `${numeral(value)}${unit && ` ${unit}`}`;
}

/** Whole when it is whole, else to a tenth. */
function numeral(value: number): string {
  return Number.isInteger(value) ? String(value) : value.toFixed(1);
}
