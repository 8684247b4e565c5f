/** Frames that were left out, sent twice or swapped by the publisher: as many are reported, and no others. */
import { setTimeout as sleep } from 'node:timers/promises';
import { DOCTORINGS, Doctored, type Doctoring } from './doctored.ts';
import { joined } from './joining.ts';
import { type Rig, RigWatch } from './rig.ts';
import { judgeTruth, type Observation, SEGMENT_MS, type TruthProtocol, type TruthRow } from './rows.ts';
import type { Seat } from './seat.ts';
import { playedAs, streamFor } from './streams.ts';

/** Until what was sent last has come: over HLS with its segment, the next playlist and a delay of the machine. */
const ARRIVED_WITHIN_MS = 4 * SEGMENT_MS;
const FEW_MS = 1000;

type Wrong = 'missing' | 'duplicated' | 'reordered';
const SHOWS_AS: Readonly<Record<Doctoring, Wrong>> = {
  'left out': 'missing',
  twice: 'duplicated',
  swapped: 'reordered',
};

/** All at the same time. */
export async function framesRows(
  rig: Rig,
  protocols: readonly TruthProtocol[],
  windowMs: number,
): Promise<TruthRow[]> {
  const doctored = DOCTORINGS.flatMap((doctoring) =>
    protocols.map((protocol) => ({ protocol, doctoring, by: new Doctored(doctoring) })),
  );
  const sat = await Promise.all(
    doctored.map(async ({ protocol, doctoring, by }) => {
      const stream = `${doctoring.replace(' ', '-')}-${protocol}`;
      await streamFor(rig, [protocol], stream, by.create);
      const seat = rig.seat(protocol, playedAs(protocol, stream), await rig.link(protocol));
      await joined(seat);
      return { protocol, by, seat };
    }),
  );
  const watch = new RigWatch();
  for (const { by } of sat) by.active = true;
  await sleep(windowMs);
  for (const { by } of sat) by.active = false;
  await sleep(protocols.includes('hls') ? ARRIVED_WITHIN_MS : FEW_MS);
  const health = watch.read();
  return sat.flatMap(({ protocol, by, seat }) =>
    observationsOf(protocol, by, seat).map((seen) => judgeTruth(seen, health)),
  );
}

function observationsOf(
  protocol: TruthProtocol,
  { doctoring, count }: Doctored,
  { meter }: Seat,
): Observation[] {
  const { missing, duplicated, reordered } = meter.continuity;
  const shown = SHOWS_AS[doctoring];
  const of = { missing, duplicated, reordered };
  const others = missing + duplicated + reordered - of[shown] + meter.corrupt + meter.unstamped;
  const seen = {
    protocol,
    part: 'frames',
    injected: `frames ${doctoring}`,
    unit: '',
    tolerance: 0,
    samples: meter.received,
  } as const;
  return [
    { ...seen, figure: `frames ${shown}`, expected: count, reported: of[shown] },
    { ...seen, figure: 'frames wrong in other ways', expected: 0, reported: others },
  ];
}
