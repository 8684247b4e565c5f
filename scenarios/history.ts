/** What was observed, as typed events, in order. A judge reads nothing else. */
import type { ClientState, Closed } from '../drivers/client.ts';

/** One FLV tag body as a publisher sent it or a player got it, whole. */
export interface MediaItem {
  /** `metadata` is onMetaData; `config` is an audio or video sequence header. */
  readonly kind: 'metadata' | 'audio-config' | 'video-config' | 'audio' | 'video' | 'script';
  /** DTS in ms as on the wire. */
  readonly timestamp: number;
  /** Body length in bytes. */
  readonly size: number;
  /** Checksum of the whole body (protocols/h264/checksum.ts). */
  readonly sum: number;
  /** Video: a keyframe by its FLV frame type. */
  readonly key: boolean;
  /** The stamp of a video frame; null where there is none. `intact` is the stamp's own verdict over the slices. */
  readonly stamp: {
    readonly stream: number;
    readonly frame: number;
    readonly sentAt: number;
    readonly intact: boolean;
  } | null;
}

/** `t` is epoch milliseconds with fraction. */
export type HistoryEvent = { readonly t: number } & (
  | ({ readonly type: 'publisher.sent'; readonly client: string; readonly stream: string } & MediaItem)
  | ({ readonly type: 'player.got'; readonly client: string; readonly stream: string } & MediaItem)
  | { readonly type: 'client.state'; readonly client: string; readonly state: ClientState }
  | ({ readonly type: 'client.closed'; readonly client: string } & Closed)
  | { readonly type: 'client.redirect'; readonly client: string; readonly location: string }
  /** `open` counts the tap's open connections after the event. */
  | {
      readonly type: 'tap.open' | 'tap.close' | 'tap.refused';
      readonly tap: string;
      readonly connection: number;
      readonly open: number;
    }
  /** One reading of a node's HTTP API for one stream. `upstreams`: plays of it that come from edges' addresses. */
  | {
      readonly type: 'api.stream';
      readonly node: string;
      readonly stream: string;
      readonly clients: number;
      readonly upstreams: number;
      readonly publishers: number;
    }
  | {
      readonly type: 'node.control';
      readonly node: string;
      readonly action: 'kill' | 'freeze' | 'thaw' | 'restart';
    }
  | { readonly type: 'node.exit'; readonly node: string }
  /** Figures of a crowd of players, taken once. */
  | ({ readonly type: 'crowd'; readonly crowd: string } & CrowdFigures)
  /** A step of the check itself, or an exchange that fits nothing above; `data` is small and flat. */
  | {
      readonly type: 'step';
      readonly step: string;
      readonly data: Readonly<Record<string, string | number | boolean | null>>;
    }
);

export interface CrowdFigures {
  readonly requested: number;
  readonly joined: number;
  readonly failed: number;
  readonly dropped: number;
  readonly frames: number;
  readonly missing: number;
  readonly duplicated: number;
  readonly reordered: number;
  readonly corrupt: number;
  /** The least frames that any one player got. */
  readonly framesOfWorst: number;
}

export type HistoryEventType = HistoryEvent['type'];
export type EventOf<T extends HistoryEventType> = Extract<HistoryEvent, { type: T }>;

/** Append-only. Events of one check, in the order in which they were seen. */
export class History {
  readonly #events: HistoryEvent[] = [];
  readonly #listeners = new Set<(event: HistoryEvent) => void>();

  append(event: HistoryEvent): void {
    this.#events.push(event);
    for (const listener of this.#listeners) listener(event);
  }

  get events(): readonly HistoryEvent[] {
    return this.#events;
  }

  of<T extends HistoryEventType>(type: T): EventOf<T>[] {
    return this.#events.filter((event): event is EventOf<T> => event.type === type);
  }

  /** Returns the function that ends the subscription. */
  subscribe(listener: (event: HistoryEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }
}
