/** One live stream of a node: its headers, its GOP cache, and the players that it is handed to. */

import type { Socket } from 'node:net';
import { type ClientRecord, randomId } from './clients.ts';
import { closeSoon } from './close-soon.ts';
import { AUDIO_ONLY_AFTER, GOP_CACHE_MAX_FRAMES } from './constants.ts';
import { batchOf, Fanout, type FrameFilter, type FrameLog } from './fanout.ts';
import { FlvFormat, type Format, RtmpFormat } from './format.ts';
import { TsFormat } from './format-ts.ts';
import { type Frame, FrameKind } from './frame.ts';
import { frameFaults } from './frame-faults.ts';
import type { Mutants } from './mutants.ts';
import type { StreamOutput } from './output.ts';
import { type Batch, Player } from './player.ts';
import type { RequestUrl } from './request-url.ts';

/** Of mutant `media-serves-30s-only`. */
const TIRED_AFTER_MS = 30_000;

export type PlayerProtocol = 'rtmp' | 'flv' | 'ts';

export interface StreamSettings {
  readonly mergedWriteMs: number;
  readonly queueSeconds: number;
  readonly gopCache: boolean;
  readonly mutants: Mutants;
}

/** Told when the stream gets its first player and loses its last: an edge pulls in between. */
export interface StreamDemand {
  /** Media is being fetched, or tried to. */
  readonly active: boolean;
  onPlayer(protocol: PlayerProtocol): void;
  onPlayerLeft(protocol: PlayerProtocol): void;
}

export class Stream implements FrameLog {
  /** In the words of the API. */
  readonly id = `vid-${randomId()}`;
  /** `/live/livestream` */
  readonly url: string;
  readonly app: string;
  readonly name: string;
  metadata: Frame | undefined;
  audioHeader: Frame | undefined;
  videoHeader: Frame | undefined;
  /** Whole messages since publish, and their bytes. */
  frames = 0;
  recvBytes = 0;
  publisher: ClientRecord | undefined;
  /** What its latest player asked for: an edge asks its origin for the same (facts/srs.md 1.3). */
  asked: RequestUrl = { host: '', param: '' };
  /** Monotonic time at which somebody was last seen to use the stream. */
  idleSince = performance.now();
  demand: StreamDemand | undefined;
  /** Players that are not given frames by this stream: those of SRT. */
  guests = 0;
  #outputs: readonly StreamOutput[] = [];
  readonly fanouts: Readonly<Record<PlayerProtocol, Fanout>>;
  #start = 0;
  #log: Frame[] = [];
  #gop: Frame[] = [];
  #audioSinceVideo = 0;
  #hasVideo = false;
  #hasAudio = false;
  #firstMediaAt = Number.NaN;
  #hasInterframes = false;
  /** Players over HTTP that have not been sent a response head: there is no media yet. */
  readonly #waiting = new Map<Player, PlayerProtocol>();
  readonly #joinBatches: Partial<Record<PlayerProtocol, Uint8Array>> = {};
  readonly #settings: StreamSettings;
  readonly #faults: ((frame: Frame, pass: (frame: Frame) => void) => void) | undefined;

  constructor(url: string, settings: StreamSettings) {
    this.url = url;
    const slash = url.lastIndexOf('/');
    this.app = url.slice(1, slash);
    this.name = url.slice(slash + 1);
    this.#settings = settings;
    this.#faults = frameFaults(settings.mutants);
    const lossy = settings.mutants.has('media-every-7th-player-loses') ? every30thLost : undefined;
    this.fanouts = {
      rtmp: new Fanout(new RtmpFormat(), this, lossy),
      flv: new Fanout(new FlvFormat(settings.mutants), this, lossy),
      ts: new Fanout(new TsFormat(settings.mutants), this, lossy),
    };
  }

  // FrameLog
  get start(): number {
    return this.#start;
  }

  get end(): number {
    return this.#start + this.#log.length;
  }

  at(number: number): Frame {
    return this.#log[number - this.#start]!;
  }

  get playerCount(): number {
    const { rtmp, flv, ts } = this.fanouts;
    return rtmp.size + flv.size + ts.size + this.#waiting.size + this.guests;
  }

  hasPlayers(protocol: PlayerProtocol): boolean {
    return this.fanouts[protocol].size > 0 || [...this.#waiting.values()].includes(protocol);
  }

  /** A new source begins: what is known of the one before is forgotten, players stay. */
  begin(): void {
    this.metadata = undefined;
    this.audioHeader = undefined;
    this.videoHeader = undefined;
    this.frames = 0;
    this.#gop = [];
    this.#audioSinceVideo = 0;
    this.#hasVideo = false;
    this.#hasAudio = false;
    this.#hasInterframes = false;
    this.#firstMediaAt = Number.NaN;
    for (const { format } of Object.values(this.fanouts)) format.begin?.();
    this.#forgetJoinBatches();
  }

  /** What comes from now on goes there, too, until `closeOutputs`. */
  openOutputs(outputs: readonly StreamOutput[]): void {
    this.#outputs = outputs;
  }

  closeOutputs(): void {
    for (const output of this.#outputs) output.close();
    this.#outputs = [];
  }

  push(frame: Frame): void {
    this.frames++;
    this.recvBytes += frame.payload.length;
    if (this.#isTired) return;
    if (this.#faults) this.#faults(frame, this.#pass);
    else this.#pass(frame);
  }

  /** Mutant. */
  get #isTired(): boolean {
    return (
      this.#settings.mutants.has('media-serves-30s-only') &&
      performance.now() - this.#firstMediaAt > TIRED_AFTER_MS
    );
  }

  readonly #pass = (frame: Frame): void => {
    switch (frame.kind) {
      case FrameKind.metadata:
        this.#dropPlayersOnRestart();
        this.metadata = frame;
        break;
      case FrameKind.audioHeader:
        this.audioHeader = frame;
        break;
      case FrameKind.videoHeader:
        this.videoHeader = frame;
        break;
      default:
        this.#hasInterframes = true;
        if (this.#settings.gopCache) this.#cache(frame);
    }
    if (frame.kind !== FrameKind.metadata) {
      if (frame.kind === FrameKind.audio || frame.kind === FrameKind.audioHeader) this.#hasAudio = true;
      else this.#hasVideo = true;
      if (Number.isNaN(this.#firstMediaAt)) this.#firstMediaAt = performance.now();
    }
    this.#forgetJoinBatches();
    this.#log.push(frame);
    for (const output of this.#outputs) output.push(frame);
  };

  #cache(frame: Frame): void {
    if (frame.kind === FrameKind.keyframe) {
      if (!this.#settings.mutants.has('media-gop-cache-grows')) this.#gop = [];
    } else if (this.#gop.length === 0) return;
    this.#audioSinceVideo = frame.isVideo ? 0 : this.#audioSinceVideo + 1;
    this.#gop.push(frame);
    if (this.#audioSinceVideo > AUDIO_ONLY_AFTER || this.#gop.length > GOP_CACHE_MAX_FRAMES) this.#gop = [];
  }

  #dropPlayersOnRestart(): void {
    if (!this.#settings.mutants.has('edge-drops-players-on-unpublish') || !this.#hasInterframes) return;
    for (const fanout of Object.values(this.fanouts)) fanout.clear();
  }

  /**
   * Gives the player headers and GOP at once, then its share of every merged write.
   * @param preface comes before everything else, with it: the head of an answer, in Latin-1.
   */
  addPlayer(protocol: PlayerProtocol, socket: Socket, preface = ''): Player {
    const queueMs = this.#settings.queueSeconds * 1000;
    const headersAt = (timestamp: number) => this.#headersAt(this.fanouts[protocol].format, timestamp);
    const player = new Player(socket, queueMs, headersAt, preface);
    if (protocol !== 'rtmp' && !this.#ready) this.#waiting.set(player, protocol);
    else this.#join(protocol, player);
    this.demand?.onPlayer(protocol);
    return player;
  }

  removePlayer(protocol: PlayerProtocol, player: Player): void {
    if (!this.#waiting.delete(player)) this.fanouts[protocol].remove(player);
    this.demand?.onPlayerLeft(protocol);
  }

  /** Players over HTTP lose their connection when their stream ends at an origin (facts/srs.md 7.3). */
  closeHttpPlayers(): void {
    for (const { socket } of [...this.fanouts.flv.players(), ...this.fanouts.ts.players()]) {
      socket.write('0\r\n\r\n', 'latin1');
      closeSoon(socket);
    }
  }

  tick(phase: number): void {
    if (this.#waiting.size > 0 && this.#ready) {
      const players = [...this.#waiting];
      this.#waiting.clear();
      for (const [player, protocol] of players) this.#join(protocol, player);
    }
    const fanouts = Object.values(this.fanouts);
    if (this.#settings.mutants.has('media-slow-reader-blocks') && this.#someoneIsBehind()) return;
    for (const fanout of fanouts) fanout.tick(phase);
    const kept = Math.min(...fanouts.map(({ oldest }) => oldest)) - this.#start;
    if (kept > 0) {
      this.#log = this.#log.slice(kept);
      this.#start += kept;
    }
  }

  /** Which media the FLV header announces is known when both came, or one has been alone for a merged write. */
  get #ready(): boolean {
    if (this.#hasAudio && this.#hasVideo) return true;
    return performance.now() - this.#firstMediaAt > this.#settings.mergedWriteMs;
  }

  #join(protocol: PlayerProtocol, player: Player): void {
    const fanout = this.fanouts[protocol];
    const has = { audio: this.#hasAudio, video: this.#hasVideo };
    if (this.#settings.mutants.has('media-sends-nothing')) {
      player.begin(fanout.format.preamble(has));
      return;
    }
    let bytes = this.#joinBatches[protocol];
    if (!bytes) {
      const batch = batchOf(fanout.format, this.#joinFrames());
      bytes = Buffer.concat([fanout.format.preamble(has), batch.bytes]);
      this.#joinBatches[protocol] = bytes;
    }
    player.begin(bytes);
    const enough = this.#settings.mutants.has('media-serves-first-100-only') && fanout.size >= 100;
    if (!enough) fanout.add(player);
  }

  #joinFrames(): Frame[] {
    const { mutants } = this.#settings;
    const headers = [
      mutants.has('media-no-metadata') ? undefined : this.metadata,
      this.audioHeader,
      this.videoHeader,
    ].filter((frame) => frame !== undefined);
    const gop = mutants.has('media-no-gop-cache') ? [] : this.#gop;
    return mutants.has('media-headers-after-frames') ? [...gop, ...headers] : [...headers, ...gop];
  }

  #headersAt(format: Format, timestamp: number): Batch | undefined {
    const at = Number.isNaN(timestamp) ? 0 : timestamp;
    const headers = [this.videoHeader, this.audioHeader].filter((frame) => frame !== undefined);
    if (headers.length === 0) return undefined;
    return batchOf(
      format,
      headers.map((header) => header.at(at)),
    );
  }

  #forgetJoinBatches(): void {
    this.#joinBatches.rtmp = undefined;
    this.#joinBatches.flv = undefined;
    this.#joinBatches.ts = undefined;
  }

  #someoneIsBehind(): boolean {
    return Object.values(this.fanouts).some((fanout) => fanout.players().some((player) => player.behind));
  }
}

/** Of 30 frames the first three, where they are video: between two of audio there is one in any case. */
const every30thLost: FrameFilter = (number, frame) => !(frame.isVideo && number % 30 < 3);
