/** What the checks of SRT share: where the server is, links to it that can be spoiled or cut, and whom it lets in. */
import { CloseReason } from '../../drivers/client.ts';
import type { Direction } from '../../lab/cluster.ts';
import type { UdpFaults } from '../../lab/taps/udp-faults.ts';
import { UdpTap } from '../../lab/taps/udp-tap.ts';
import { SRT_PASSPHRASE } from '../bounds.ts';
import type { CheckContext, Judgement } from '../check.ts';
import type { EventOf, History } from '../history.ts';
import { failed, notSeen } from '../judging.ts';

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

/** Ends by which a server says no; silence says nothing. */
const NO: readonly string[] = [
  CloseReason.rejected,
  CloseReason.refused,
  CloseReason.remote,
  CloseReason.reset,
];

/** A failure for the first of these whom the server did not let in, or let go of; none where none was seen to be. */
export function judgeLetIn(history: History, clients: readonly string[]): Judgement[] {
  const refused = clients
    .map((client) => closedByPeer(history, client))
    .find((closed) => closed !== undefined && NO.includes(closed.reason));
  if (refused === undefined) return [];
  const { client, reason, during, code } = refused;
  return [failed(`${client} is let in`, `${client} was closed: ${reason} while ${during}, ${code}`)];
}

/** Without these nothing is there to judge, which is a failure where they were refused. */
export function judgeMissing(history: History, clients: readonly string[], expected: string): Judgement[] {
  const refused = judgeLetIn(history, clients);
  return refused.length > 0 ? refused : [notSeen(history, expected)];
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
