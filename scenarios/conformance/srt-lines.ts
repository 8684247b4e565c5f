/** What the checks of SRT share: where the server is, and links to it that can be spoiled or cut. */
import type { Direction } from '../../lab/cluster.ts';
import type { UdpFaults } from '../../lab/taps/udp-faults.ts';
import { UdpTap } from '../../lab/taps/udp-tap.ts';
import { SRT_PASSPHRASE } from '../bounds.ts';
import type { CheckContext } from '../check.ts';
import type { EventOf, History } from '../history.ts';

export const EDGE_CLUSTER = ['edge-cluster'] as const;
/** Its SRT server wants no passphrase. */
export const LOCAL_ORIGIN = ['local-origin'] as const;
export const DRAFT = 'draft-sharabayko-srt-01';
export const SRS = 'SRS 7.0.18';

/** There is no GOP cache for SRT (facts/srs.md 8): up to a GOP of a second, latencies, and a second to spare. */
export const SRT_PLAYING_WITHIN_MS = 4000;

/** Host and port of the SRT server. */
export function entryOf(t: CheckContext): { host: string; port: number } {
  const { host, port } = t.cluster.entry('play', 'srt');
  return { host, port };
}

/** The same server, another stream id. */
export function withStreamId(url: string, id: string): string {
  return url.replace(/streamid=[^&]*/, `streamid=${encodeURIComponent(id)}`);
}

/** For a server that wants no passphrase. */
export function withoutPassphrase(url: string): string {
  return url.replace(`&passphrase=${SRT_PASSPHRASE}`, '');
}

export function withLatency(url: string, ms: number): string {
  return `${url}&latency=${ms}`;
}

/** While the check ran: what comes when the gate takes everything down says nothing. */
export function closedByPeer(history: History, client: string): EventOf<'client.closed'> | undefined {
  const end = history.of('generator')[0]?.t ?? Number.POSITIVE_INFINITY;
  return history
    .of('client.closed')
    .find((event) => event.client === client && event.reason !== 'local' && event.t <= end);
}

export interface Line {
  readonly tap: UdpTap;
  /** The URL, with the line in between. */
  through(url: string): string;
}

/** A link of the check's own to the SRT server; `faults` are of media on its way to or from it. */
export async function line(t: CheckContext, name: string, faults?: [Direction, UdpFaults]): Promise<Line> {
  const target = entryOf(t);
  const tap = new UdpTap({
    from: name,
    to: 'srt',
    listen: { host: '127.0.0.1', port: 0 },
    target,
  });
  await tap.listen();
  t.cleanUp(() => tap.close());
  if (faults !== undefined) tap.setFaults(...faults);
  const { host, port } = tap.address;
  return {
    tap,
    through: (url) => url.replace(`//${target.host}:${target.port}`, `//${host}:${port}`),
  };
}
