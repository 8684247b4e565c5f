/** What was observed, as typed events, in order. A judge reads nothing else. */
import type { ClientState, Closed } from '../drivers/client.ts';
import type { RecordedItem } from '../drivers/measure/recorder.ts';
import type { TcpLinkProtocol } from '../lab/cluster.ts';

/** One FLV tag body as a publisher sent it or a player got it, whole. */
export type MediaItem = RecordedItem;

/** Small and flat. */
export type StepData = Readonly<Record<string, string | number | boolean | null>>;

/** `t` is epoch milliseconds with fraction. `client` is the label of a player or publisher, unique in its check. */
export type HistoryEvent = { readonly t: number } & (
  | ({ readonly type: 'publisher.sent'; readonly client: string; readonly stream: string } & MediaItem)
  | ({ readonly type: 'player.got'; readonly client: string; readonly stream: string } & MediaItem)
  | { readonly type: 'client.state'; readonly client: string; readonly state: ClientState }
  | ({ readonly type: 'client.closed'; readonly client: string } & Closed)
  | { readonly type: 'client.redirect'; readonly client: string; readonly location: string }
  | TapSeen<'tap.open'>
  | TapSeen<'tap.close'>
  | TapSeen<'tap.refused'>
  /** An HTTP request that passed a tap. */
  | {
      readonly type: 'tap.request';
      readonly tap: string;
      readonly from: string;
      /** Default `http`. */
      readonly carries?: TcpLinkProtocol;
      readonly method: string;
      readonly path: string;
    }
  /** An HTTP exchange of a player of a segmented protocol, or of the check itself (`client` is its label). */
  | ({ readonly type: 'http.exchange'; readonly client: string } & ExchangeSeen)
  /** A playlist as a player, or the check itself, got it. `sentAt` is when it was asked for. */
  | ({ readonly type: 'hls.playlist'; readonly client: string } & PlaylistSeen)
  /** One message of an SRT client, as it was sent or played: a checksum for each of its transport packets. */
  | {
      readonly type: 'srt.message';
      readonly client: string;
      readonly way: 'sent' | 'got';
      readonly packets: readonly number[];
    }
  /** Something that a player bore and counted. */
  | {
      readonly type: 'client.problem';
      readonly client: string;
      readonly code: string;
      readonly detail: string;
    }
  /** One reading of a node's HTTP API for one stream. */
  | ({ readonly type: 'api.stream'; readonly node: string; readonly stream: string } & ApiReading)
  | {
      readonly type: 'node.control';
      readonly node: string;
      readonly action: 'kill' | 'freeze' | 'thaw' | 'restart';
    }
  /** Every tap of a link (`from>to`): `silence` lets connections stand and passes nothing, until `lift`. */
  | {
      readonly type: 'link.control';
      readonly link: string;
      readonly action: 'cut' | 'restore' | 'silence' | 'lift';
    }
  /**
   * A client that comes back by itself is about to connect: `session` counts its connections, tried or made, from 1;
   * `waitedMs` is for how long it waited since the one before ended.
   */
  | {
      readonly type: 'client.attempt';
      readonly client: string;
      readonly session: number;
      readonly waitedMs: number;
    }
  /**
   * What a fault did to a client, told when its check is over: the last frame before and the first one after the
   * longest time without a new frame. `firstAt` is null when none came any more.
   */
  | {
      readonly type: 'client.gap';
      readonly client: string;
      readonly lastAt: number | null;
      readonly firstAt: number | null;
      readonly ms: number;
    }
  /** A node is gone, or another process has its name, and no control of the check did it. */
  | { readonly type: 'node.exit'; readonly node: string }
  /** Figures of a crowd of players, taken once. */
  | ({ readonly type: 'crowd'; readonly crowd: string } & CrowdFigures)
  /** How long the gate's own event loop was kept from its events while the check ran, at the worst. */
  | { readonly type: 'generator'; readonly loopLagMs: number }
  /** Whether the nodes and the gate had the machine's CPUs when they could have run, while the check ran. */
  | ({ readonly type: 'machine' } & MachineSeen)
  /** What the check waited for did not happen in time; `run` ended there. */
  | { readonly type: 'not-observed'; readonly what: string; readonly withinMs: number }
  /**
   * In place of the events of an observation that another check of the same cluster has made: the judge reads them,
   * too. `seenBy` is that check, `first` the number of its first event of the observation, from 0.
   */
  | {
      readonly type: 'shared';
      readonly observation: string;
      readonly seenBy: string;
      readonly first: number;
      readonly events: number;
    }
  /** A step of the check itself, or an exchange that fits nothing above. */
  | { readonly type: 'step'; readonly step: string; readonly data: StepData }
);

interface TapSeen<T extends string> {
  readonly type: T;
  readonly tap: string;
  /** What passes on the link; taps in front of an origin that registers share a name. Default `rtmp`. */
  readonly carries?: TcpLinkProtocol;
  /** The node whose connection it is. */
  readonly from: string;
  readonly connection: number;
  /** The tap's open connections after the event. */
  readonly open: number;
}

/** Times in epoch ms; null where it was not reached. `t` of the event is the end. */
export interface ExchangeSeen {
  readonly kind: 'playlist' | 'segment' | 'other';
  readonly method: string;
  readonly url: string;
  readonly sentAt: number;
  readonly headAt: number | null;
  readonly firstByteAt: number | null;
  /** 0 when there was no answer. */
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly bytes: number;
  readonly error: string | null;
}

export interface PlaylistSeen {
  readonly url: string;
  readonly sentAt: number;
  readonly kind: 'master' | 'media';
  /** As it came, up to 64 KiB. */
  readonly text: string;
}

export interface ApiReading {
  /** All clients of the stream, its publisher too. */
  readonly clients: number;
  /** Plays of it that come from the addresses of edges. */
  readonly upstreams: number;
  /** The same per edge; an edge without any is not in it. */
  readonly upstreamsOf: Readonly<Record<string, number>>;
  readonly publishers: number;
}

export interface CrowdFigures {
  readonly requested: number;
  readonly joined: number;
  readonly failed: number;
  readonly dropped: number;
  readonly frames: number;
  /** Of these, the ones without a stamp: nothing else is known of them. */
  readonly unstamped: number;
  readonly missing: number;
  readonly duplicated: number;
  readonly reordered: number;
  readonly corrupt: number;
  /** The least frames that any one player got. */
  readonly framesOfWorst: number;
}

/** Times in ms; by node, and `gate` is the process that runs the checks. */
export interface MachineSeen {
  /** The system tells who waits for a CPU. Where it does not, nothing is known. */
  readonly watched: boolean;
  /** For how long each could have run and did not; of several threads the one that waited the longest. */
  readonly waitedMs: Readonly<Record<string, number>>;
  /** The second in which others kept them from running the longest. */
  readonly worst: {
    readonly waitedMs: Readonly<Record<string, number>>;
    /** Of the CPU time that processes used, what was used by others than these; 0 to 1. */
    readonly othersShare: number;
    /** By the hypervisor, of one CPU. */
    readonly stolenMs: number;
  };
}

export type HistoryEventType = HistoryEvent['type'];
export type EventOf<T extends HistoryEventType> = Extract<HistoryEvent, { type: T }>;

/** Append-only. Events of one check, in the order in which they were seen. */
export class History {
  readonly #events: HistoryEvent[] = [];
  readonly #byType = new Map<HistoryEventType, HistoryEvent[]>();
  readonly #listeners = new Set<(event: HistoryEvent) => void>();

  append(event: HistoryEvent): void {
    this.#keep(event);
    for (const listener of this.#listeners) listener(event);
  }

  /** Takes events that another history has, and has told its listeners; those of this one hear of `reference` only. */
  adopt(events: readonly HistoryEvent[], reference: EventOf<'shared'>): void {
    for (const event of events) this.#keep(event);
    this.append(reference);
  }

  get events(): readonly HistoryEvent[] {
    return this.#events;
  }

  of<T extends HistoryEventType>(type: T): readonly EventOf<T>[] {
    return (this.#byType.get(type) ?? []) as EventOf<T>[];
  }

  /** The data of a step of the check, the latest one; undefined when the check did not get there. */
  step(step: string): StepData | undefined {
    return this.of('step').findLast((event) => event.step === step)?.data;
  }

  /** What a player got, in order. */
  got(client: string): EventOf<'player.got'>[] {
    return this.of('player.got').filter((event) => event.client === client);
  }

  /** What a publisher sent, in order. */
  sent(client: string): EventOf<'publisher.sent'>[] {
    return this.of('publisher.sent').filter((event) => event.client === client);
  }

  /** Returns the function that ends the subscription. */
  subscribe(listener: (event: HistoryEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  #keep(event: HistoryEvent): void {
    this.#events.push(event);
    const sameType = this.#byType.get(event.type);
    if (sameType) sameType.push(event);
    else this.#byType.set(event.type, [event]);
  }
}
