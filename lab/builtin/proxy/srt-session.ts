/** An SRT caller on its way to an origin, or there. */
import type { Handshake } from '../../../protocols/srt/handshake.ts';
import type { Backend } from './load-balancer.ts';
import type { SrtLink } from './srt-link.ts';
import type { Peer } from './udp.ts';

export const SrtStage = {
  /** The load balancer is asked. */
  picking: 'picking',
  /** The origin is asked for its cookie. */
  inducting: 'inducting',
  /** It has the caller's conclusion. */
  concluding: 'concluding',
  open: 'open',
  closed: 'closed',
} as const;
export type SrtStage = (typeof SrtStage)[keyof typeof SrtStage];

/** Plain fields: they are looked at for every packet. */
export class SrtSession {
  readonly key: string;
  readonly peer: Peer;
  /** The caller's conclusion, and the packet that it came in; the latter only until the caller has its answer. */
  readonly request: Handshake;
  conclusion: Buffer | undefined;
  readonly streamUrl: string;
  readonly publish: boolean;
  stage: SrtStage = SrtStage.picking;
  backend: Backend | undefined = undefined;
  link: SrtLink | undefined = undefined;
  /** Socket id of the origin's end: where the caller's packets go to. 0 while it is not known. */
  listenerId = 0;
  /** Another session whose origin has chosen the same socket id. */
  next: SrtSession | undefined = undefined;
  /** Sweeps at which something came last, and at which the present stage began. */
  heardCaller: number;
  heardOrigin: number;
  since: number;
  /** An origin could not be reached, and another one was picked. */
  repicked = false;
  /** Of the load balancer, and of the metrics. */
  release: (() => void) | undefined = undefined;

  constructor(
    key: string,
    { address, port }: Peer,
    request: Handshake,
    conclusion: Buffer,
    streamUrl: string,
    publish: boolean,
    sweep: number,
  ) {
    this.key = key;
    this.peer = { address, port };
    this.request = request;
    this.conclusion = conclusion;
    this.streamUrl = streamUrl;
    this.publish = publish;
    this.heardCaller = sweep;
    this.heardOrigin = sweep;
    this.since = sweep;
  }

  get callerId(): number {
    return this.request.socketId;
  }
}
