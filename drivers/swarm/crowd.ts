/** Many measured players in this process. */
import type { Playlist } from '../../protocols/hls/playlist.ts';
import {
  type Client,
  type ClientObserver,
  type ClientOptions,
  ClientState,
  type Closed,
  CloseReason,
  type HttpExchange,
  type Player,
} from '../client.ts';
import { createPlayer } from '../create.ts';
import { HlsPlayer } from '../hls/player.ts';
import { wallClock } from '../measure/clock.ts';
import { FrameMeter, MeterHistograms, type MeterObserver } from '../measure/meter.ts';
import { WhepPlayer } from '../webrtc/player.ts';
import { clientSource } from './addresses.ts';
import type { UrlStanding } from './counts.ts';
import { ProtocolMeters, type ProtocolSnapshots } from './protocol-figures.ts';
import { ALL, type Hand, numberOf } from './shard.ts';

/** How the players of a crowd play, all alike. The transport of WebRTC is `lite` when it is left out. */
export type CrowdClientOptions = Pick<
  ClientOptions,
  'timeoutMs' | 'handshake' | 'maxRedirects' | 'allowRemote' | 'allowHosts' | 'hls' | 'webrtc'
>;

export interface CrowdOptions {
  /** Players are spread over these in turn. */
  readonly urls: readonly string[];
  readonly clients: number;
  /** Players are opened evenly over this time; all at once when 0. */
  readonly rampMs: number;
  /** Which numbers its players have, where several crowds make up a swarm. Default: from 0 on. */
  readonly hand?: Hand;
  readonly client?: CrowdClientOptions;
}

export interface FrameTotals {
  received: number;
  unstamped: number;
  missing: number;
  duplicated: number;
  reordered: number;
  corrupt: number;
}

/** Plain data: it also goes from a worker to the swarm. Counters are totals of the run. */
export interface CrowdSnapshot extends ProtocolSnapshots {
  readonly requested: number;
  readonly opened: number;
  /** Got a whole keyframe. */
  readonly joined: number;
  readonly failed: number;
  /** Joined, then lost. */
  readonly dropped: number;
  readonly reasons: Record<string, number>;
  readonly bytes: number;
  readonly frames: FrameTotals;
  /** Publishers that came back, counted once per player. */
  readonly restarts: number;
  /** The least frames that any one player got. */
  readonly framesOfWorst: number;
  /** `lasting`: players whose picture has stood still for LASTING_STALL_MS or more; `ofUrls`: in the order of `urls`. */
  readonly stalls: {
    count: number;
    stalledMs: number;
    watchedMs: number;
    lasting: number;
    ofUrls: UrlStanding[];
  };
  /** In ms; null when no frame had a stamp. */
  readonly lowestLatency: number | null;
}

/**
 * A picture that stands still for so long, after a buffer of a second has run dry, is not waiting for a merged write:
 * two hops of SRS's hold a frame back for 700 ms at the most (facts/srs.md 7.3).
 */
export const LASTING_STALL_MS = 2000;

/** How often players that are due are opened. */
const RAMP_STEP_MS = 10;

export class Crowd implements ClientObserver, MeterObserver {
  readonly options: CrowdOptions;
  /** Filled by all players; whoever reads and resets them decides on the interval. */
  readonly histograms = new MeterHistograms();
  readonly protocols: ProtocolMeters;
  readonly players: Player[] = [];
  readonly meters: FrameMeter[] = [];
  joined = 0;
  failed = 0;
  dropped = 0;
  readonly reasons: Record<string, number> = {};
  readonly #onSettled: (() => void) | undefined;
  readonly #onFrame: ((player: number, frames: number) => void) | undefined;
  #startedAt = 0;
  #ramp: NodeJS.Timeout | undefined;
  #stopped = false;

  /**
   * @param events `onSettled`: every player has joined or failed, once. `onFrame`: one more video frame of a player.
   * @throws ProtocolError Url when one of the URLs cannot be played.
   */
  constructor(
    options: CrowdOptions,
    events: { onSettled?: () => void; onFrame?: (player: number, frames: number) => void } = {},
  ) {
    if (options.urls.length === 0) throw new Error('a crowd needs at least one URL');
    const webrtc = { transport: 'lite' as const, ...options.client?.webrtc };
    this.options = { ...options, client: { ...options.client, webrtc } };
    this.#onSettled = events.onSettled;
    this.#onFrame = events.onFrame;
    this.protocols = new ProtocolMeters(this.#urlsPlayed(), webrtc.transport);
    for (const url of options.urls) createPlayer(url, new FrameMeter(this.histograms));
  }

  /** Once. */
  start(): void {
    this.#startedAt = performance.now();
    this.#open();
    if (this.players.length < this.options.clients)
      this.#ramp = setInterval(() => this.#open(), RAMP_STEP_MS);
  }

  /** When the last player has been opened. */
  get opened(): boolean {
    return this.players.length === this.options.clients;
  }

  #open(): void {
    const { clients, rampMs } = this.options;
    const due =
      rampMs <= 0
        ? clients
        : Math.min(clients, Math.floor(((performance.now() - this.#startedAt) / rampMs) * clients) + 1);
    while (this.players.length < due && !this.#stopped) this.#openOne(this.players.length);
    if (this.opened) clearInterval(this.#ramp);
  }

  #numberOf(index: number): number {
    return numberOf(index, this.options.hand ?? ALL);
  }

  /** The URLs are played in turn by all clients of the swarm: those of a shard may have a few of them only. */
  #urlOf(index: number): string {
    return this.options.urls[this.#placeOfUrl(index)]!;
  }

  #placeOfUrl(index: number): number {
    return this.#numberOf(index) % this.options.urls.length;
  }

  #urlsPlayed(): string[] {
    const { urls, clients } = this.options;
    // After so many they come again.
    return Array.from({ length: Math.min(clients, urls.length) }, (_, index) => this.#urlOf(index));
  }

  #openOne(index: number): void {
    const { client } = this.options;
    const url = this.#urlOf(index);
    const meter = new FrameMeter(this.histograms, this, index);
    const player = createPlayer(
      url,
      meter,
      {
        ...client,
        id: index,
        localAddress: clientSource(url, index, {
          numberOf: (place) => this.#numberOf(place),
          allowRemote: client?.allowRemote ?? false,
        }),
      },
      this,
    );
    meter.attach(player.timing);
    this.protocols.add(player, meter);
    this.players.push(player);
    this.meters.push(meter);
    player.open();
  }

  onFirstKeyframe(): void {
    this.joined++;
    this.#settle();
  }

  onFrame(meter: FrameMeter): void {
    this.#onFrame?.(meter.index, meter.received);
  }

  onExchange(client: Client, exchange: HttpExchange): void {
    this.protocols.exchange(client, exchange);
  }

  onPlaylist(client: Client, playlist: Playlist): void {
    this.protocols.playlist(client, playlist);
  }

  onProblem(client: Client, code: string): void {
    this.protocols.problem(client, code);
  }

  onClosed(client: Client, closed: Closed, at: number): void {
    const meter = this.meters[client.id]!;
    meter.model.finish(at);
    if (closed.reason === CloseReason.local) return;
    if (meter.joined && client instanceof HlsPlayer && client.finished) {
      this.protocols.hls!.finished++;
      return;
    }
    this.#count(closed.code);
    if (meter.joined) {
      this.dropped++;
      return;
    }
    this.failed++;
    this.#settle();
  }

  #count(reason: string): void {
    this.reasons[reason] = (this.reasons[reason] ?? 0) + 1;
  }

  #settle(): void {
    if (this.joined + this.failed === this.options.clients) this.#onSettled?.();
  }

  /** Closes all players and finishes their models. A player that was opened and has not joined by now has failed. */
  stop(): void {
    if (this.#stopped) return;
    this.#stopped = true;
    clearInterval(this.#ramp);
    for (const [index, player] of this.players.entries()) {
      if (player.state === ClientState.closed) continue;
      if (!this.meters[index]!.joined) {
        this.failed++;
        this.#count(`no-keyframe.${player.state}`);
      }
      player.close();
    }
  }

  /** After `stop`: resolves when those that say goodbye by a request have had their answer, or waited long enough. */
  async left(): Promise<void> {
    await Promise.all(
      this.players.map((player) => (player instanceof WhepPlayer ? player.leaving : undefined)),
    );
  }

  snapshot(): CrowdSnapshot {
    const now = wallClock.now();
    const frames = { received: 0, unstamped: 0, missing: 0, duplicated: 0, reordered: 0, corrupt: 0 };
    const ofUrls = this.options.urls.map(() => ({ there: 0, lasting: 0 }));
    const stalls = { count: 0, stalledMs: 0, watchedMs: 0, lasting: 0, ofUrls };
    let bytes = 0;
    let restarts = 0;
    let framesOfWorst = this.opened ? Number.POSITIVE_INFINITY : 0;
    for (const [index, meter] of this.meters.entries()) {
      const { timing, bytesIn, closed } = this.players[index]!;
      const { continuity, model } = meter;
      bytes += bytesIn;
      frames.received += meter.received;
      frames.unstamped += meter.unstamped;
      frames.corrupt += meter.corrupt;
      frames.missing += continuity.missing;
      frames.duplicated += continuity.duplicated;
      frames.reordered += continuity.reordered;
      restarts += continuity.restarts;
      if (meter.received < framesOfWorst) framesOfWorst = meter.received;
      const until = Number.isNaN(timing.closed) ? now : timing.closed;
      stalls.count += model.stallsUntil(until);
      stalls.stalledMs += model.stalledUntil(until);
      stalls.watchedMs += model.watchedUntil(until);
      const there = closed === undefined || closed.reason === CloseReason.local;
      if (!there || !meter.joined) continue;
      const ofUrl = ofUrls[this.#placeOfUrl(index)]!;
      ofUrl.there++;
      if (stillFor(meter, timing.firstKeyframe, until) < LASTING_STALL_MS) continue;
      stalls.lasting++;
      ofUrl.lasting++;
    }
    const { lowest } = this.histograms;
    return {
      requested: this.options.clients,
      opened: this.players.length,
      joined: this.joined,
      failed: this.failed,
      dropped: this.dropped,
      reasons: { ...this.reasons },
      bytes,
      frames,
      restarts,
      framesOfWorst: Number.isFinite(framesOfWorst) ? framesOfWorst : 0,
      stalls,
      lowestLatency: Number.isFinite(lowest) ? lowest : null,
      ...this.protocols.snapshot(),
    };
  }
}

/** Also of a player that got its first keyframe and then too little to show it. */
function stillFor({ model }: FrameMeter, firstKeyframe: number, until: number): number {
  return Number.isNaN(model.shownAt) ? until - firstKeyframe - model.threshold : model.stillFor(until);
}
