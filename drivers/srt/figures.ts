/** What SRT clients counted, one by one and in all. Plain data: it also goes from a worker to the swarm. */
import type { SrtConnection } from '../../protocols/srt/connection.ts';
import { SrtFigures } from '../../protocols/srt/figures.ts';

export interface SrtSnapshot extends SrtFigures {
  /** Round trip time in ms; of many clients the mean. NaN as long as none is known. */
  rtt: number;
  rttVariance: number;
}

export function srtSnapshot(connection: SrtConnection): SrtSnapshot {
  const { figures, roundTrip } = connection;
  return {
    ...figures,
    rtt: roundTrip.known ? roundTrip.rtt : Number.NaN,
    rttVariance: roundTrip.known ? roundTrip.variance : Number.NaN,
  };
}

/** Sums, but for the round trip time, which is the mean of those that know theirs. */
export function totalSrt(snapshots: Iterable<SrtSnapshot>): SrtSnapshot {
  const total: SrtSnapshot = { ...new SrtFigures(), rtt: 0, rttVariance: 0 };
  const names = Object.keys(new SrtFigures()) as (keyof SrtFigures)[];
  let known = 0;
  for (const snapshot of snapshots) {
    for (const name of names) total[name] += snapshot[name];
    if (Number.isNaN(snapshot.rtt)) continue;
    known++;
    total.rtt += snapshot.rtt;
    total.rttVariance += snapshot.rttVariance;
  }
  total.rtt /= known;
  total.rttVariance /= known;
  return total;
}
