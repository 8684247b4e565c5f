/** UDP links that lose a known number of packets: as many are reported. What is sent again comes through. */
import { setTimeout as sleep } from 'node:timers/promises';
import { SrtPlayer } from '../../drivers/srt/player.ts';
import { WhepPlayer } from '../../drivers/webrtc/player.ts';
import { isRtcp } from '../../protocols/rtp/packet.ts';
import { isControl } from '../../protocols/srt/packet.ts';
import { joined } from './joining.ts';
import { isUdp } from './link.ts';
import { type Rig, RigWatch } from './rig.ts';
import { judgeTruth, type Observation, type TruthProtocol, type TruthRow } from './rows.ts';
import type { Seat } from './seat.ts';
import { playedAs, streamFor } from './streams.ts';

/** Of the packets that are sent for the first time. */
const SHARES = [0, 0.01, 0.05] as const;
/** The last that is lost is known to be when later ones have come, and is given up when it is due. */
const TOLD_WITHIN_MS = 1500;
/** So much that what is sent again is in time on a machine that does other things, too. */
const SRT_LATENCY_MS = 1000;

interface Case {
  readonly protocol: TruthProtocol;
  readonly share: number;
  /** WHEP: whether lost packets are asked for again. */
  readonly nack: boolean;
}

/** All at the same time. */
export async function lossRows(
  rig: Rig,
  protocols: readonly TruthProtocol[],
  windowMs: number,
): Promise<TruthRow[]> {
  const udp = protocols.filter(isUdp);
  if (udp.length === 0) return [];
  await streamFor(rig, udp, 'loss');
  const cases: Case[] = udp.flatMap((protocol) =>
    SHARES.flatMap((share) =>
      (protocol === 'srt' ? [true] : [true, false]).map((nack) => ({ protocol, share, nack })),
    ),
  );
  const sat = await Promise.all(
    cases.map(async (one) => {
      const link = await rig.link(one.protocol);
      const options = { nack: one.nack, ...(one.protocol === 'srt' && { latencyMs: SRT_LATENCY_MS }) };
      const seat = rig.seat(one.protocol, playedAs(one.protocol, 'loss'), link, options);
      await joined(seat);
      return { ...one, seat, link, before: packetsOf(seat) };
    }),
  );
  const watch = new RigWatch();
  for (const { protocol, share, link } of sat) link.lose(share, firstOnly(protocol));
  await sleep(windowMs);
  for (const { link } of sat) link.mend();
  await sleep(TOLD_WITHIN_MS);
  const health = watch.read();
  return sat.flatMap(({ seat, link, before, ...one }) =>
    observationsOf(one, link.lost, before, packetsOf(seat)).map((seen) => judgeTruth(seen, health)),
  );
}

interface Packets {
  readonly received: number;
  /** Missing on their first way. */
  readonly lost: number;
  /** For good. */
  readonly gone: number;
}

function packetsOf({ player }: Seat): Packets | undefined {
  if (player instanceof SrtPlayer && player.counters !== undefined) {
    const { packetsReceived, packetsLost, packetsDropped } = player.counters;
    return { received: packetsReceived, lost: packetsLost, gone: packetsDropped };
  }
  if (!(player instanceof WhepPlayer)) return undefined;
  const { videoPackets, recovered, lost } = player.rtp;
  return { received: videoPackets, lost: recovered + lost, gone: lost };
}

function observationsOf(
  { protocol, share, nack }: Case,
  injected: number,
  before: Packets | undefined,
  after: Packets | undefined,
): Observation[] {
  const since = (of: keyof Packets): number | null =>
    before === undefined || after === undefined ? null : after[of] - before[of];
  const seen = {
    protocol,
    part: 'loss',
    injected: `${share * 100} % loss${nack ? '' : ', no NACK'}`,
    unit: '',
    tolerance: 0,
    samples: since('received') ?? 0,
  } as const;
  return [
    { ...seen, figure: 'packets lost on the way', expected: injected, reported: since('lost') },
    { ...seen, figure: 'packets lost for good', expected: nack ? 0 : injected, reported: since('gone') },
  ];
}

/** Data that has not passed before. */
function firstOnly(protocol: TruthProtocol): (datagram: Uint8Array) => boolean {
  if (protocol === 'srt') return (datagram) => !isControl(datagram) && !isRetransmitted(datagram);
  const passed = new Set<number>();
  return (datagram) => {
    if (datagram[0]! >> 6 !== 2 || isRtcp(datagram)) return false;
    const sequence = (datagram[2]! << 8) | datagram[3]!;
    if (passed.has(sequence)) return false;
    passed.add(sequence);
    return true;
  };
}

/** The R flag of a data packet (draft-sharabayko-srt section 3.1). */
function isRetransmitted(datagram: Uint8Array): boolean {
  return (datagram[4]! & 0x04) !== 0;
}
