/** Cuts one stream into segments, and lists them, by the rules of SRS (facts/srs.md 6.1, 6.2). */
import path from 'node:path';
import { ProtocolError } from '../../../protocols/errors.ts';
import type { HlsSettings } from '../../topology.ts';
import { AUDIO_ONLY_AFTER } from '../constants.ts';
import { type Frame, FrameKind } from '../frame.ts';
import type { Log } from '../log.ts';
import type { Mutants } from '../mutants.ts';
import type { StreamOutput } from '../output.ts';
import { countAgainPerUnit, renameAudio, withoutClock, withoutTail } from './segment-faults.ts';
import { HlsStore } from './store.ts';
import { TsEncoder } from './ts-encoder.ts';
import { SegmentWindow } from './window.ts';

/** A shorter one is dropped. */
const MIN_SEGMENT_MS = 100;
/** hls_aof_ratio: without video a segment is this much longer. */
const AUDIO_ONLY_RATIO = 2.1;
/** A step of timestamps beyond these ends what can be played in one go: the next keyframe begins a discontinuity. */
const MAX_STEP_BACK_MS = 1000;
const MAX_STEP_MS = 10_000;
/** A stream whose keyframe never comes is not kept for ever. */
const MAX_SEGMENT_BYTES = 128 * 1024 * 1024;
/** Mutants: which segments are not there, how often the stale playlist is written, how many files are left. */
const MISSING_EVERY = 4;
const STALE_EVERY = 3;
const FILES_LEFT = 2;

export interface SegmenterOptions {
  readonly settings: HlsSettings;
  /** Files are `<directory>/<app>/<stream>.m3u8` and `<stream>-<sequence>.ts`. */
  readonly directory: string;
  readonly app: string;
  readonly stream: string;
  readonly mutants: Mutants;
  readonly log: Log;
}

/** The segment that is being filled. */
interface OpenSegment {
  readonly parts: Uint8Array[];
  bytes: number;
  /** Timestamps of its first and last frame. */
  readonly start: number;
  end: number;
  readonly discontinuity: boolean;
}

export class HlsSegmenter implements StreamOutput {
  readonly #options: SegmenterOptions;
  readonly #encoder: TsEncoder;
  readonly #store: HlsStore;
  readonly #window: SegmentWindow;
  #open: OpenSegment | undefined;
  #sequence = 0;
  /** Before the next segment: it is the first of a publication, or its headers or timestamps are others. */
  #discontinuity = true;
  #audioSinceVideo = 0;
  #toldUnfit = false;
  /** Mutant: the next interframe is not taken. */
  #dropNext = false;

  constructor(options: SegmenterOptions) {
    this.#options = options;
    this.#encoder = new TsEncoder(options.mutants);
    this.#store = new HlsStore(path.join(options.directory, options.app), options.log);
    this.#window = new SegmentWindow(options.settings, options.mutants);
  }

  /** A file of the stream by its name; undefined when it is not there (any more). */
  file(name: string): Uint8Array | undefined {
    return this.#store.get(name);
  }

  push(frame: Frame): void {
    if (frame.kind === FrameKind.metadata) return;
    try {
      if (frame.kind === FrameKind.videoHeader || frame.kind === FrameKind.audioHeader) this.#onHeader(frame);
      else this.#onMedia(frame);
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      if (!this.#toldUnfit) this.#options.log(`hls ${this.#url}: a frame is left out: ${error.message}`);
      this.#toldUnfit = true;
    }
  }

  /** The publisher has left: the last segment is closed. What is pushed afterwards is another publication. */
  close(): void {
    const open = this.#open;
    this.#open = undefined;
    if (open && !this.#has('hls-no-end')) this.#finish(open, (open.end - open.start) | 0);
    this.#encoder.forget();
    this.#discontinuity = true;
    this.#toldUnfit = false;
    this.#audioSinceVideo = 0;
  }

  /** Takes everything away (SRS: hls_dispose). */
  dispose(): void {
    this.#open = undefined;
    this.#store.clear();
  }

  get #url(): string {
    return `/${this.#options.app}/${this.#options.stream}`;
  }

  #has(mutant: Parameters<Mutants['has']>[0]): boolean {
    return this.#options.mutants.has(mutant);
  }

  #onHeader(frame: Frame): void {
    if (!this.#encoder.header(frame)) return;
    if (!this.#open) return;
    this.#open.parts.push(this.#encoder.tables());
    this.#discontinuity = true;
  }

  #onMedia(frame: Frame): void {
    if (!this.#encoder.carries(frame)) return;
    this.#audioSinceVideo = frame.isVideo ? 0 : this.#audioSinceVideo + 1;
    const { timestamp } = frame;
    const open = this.#open;
    if (open) {
      const step = (timestamp - open.end) | 0;
      const steps = step < -MAX_STEP_BACK_MS || step > MAX_STEP_MS;
      if (steps) this.#discontinuity = true;
      if (this.#cutsBefore(frame, open)) {
        if (this.#has('hls-repeats-frame-at-cut')) this.#append(frame, open);
        this.#finish(open, (this.#discontinuity ? open.end - open.start : timestamp - open.start) | 0);
        this.#begin(timestamp);
        this.#dropNext = this.#has('hls-drops-frame-at-cut');
      } else if (!steps && step > 0) open.end = timestamp;
    } else if (this.#canBeginWith(frame)) this.#begin(timestamp);
    if (!this.#open) return;
    if (this.#dropNext && frame.kind === FrameKind.interframe) {
      this.#dropNext = false;
      return;
    }
    this.#append(frame, this.#open);
  }

  /** hls_wait_keyframe. */
  #canBeginWith(frame: Frame): boolean {
    return frame.kind === FrameKind.keyframe || !this.#encoder.hasVideo || this.#isAudioOnly;
  }

  get #isAudioOnly(): boolean {
    return !this.#encoder.hasVideo || this.#audioSinceVideo > AUDIO_ONLY_AFTER;
  }

  #cutsBefore(frame: Frame, open: OpenSegment): boolean {
    const elapsed = (frame.timestamp - open.start) | 0;
    const fragment = this.#options.settings.fragmentSeconds * 1000;
    if (this.#has('hls-no-keyframe-start') && elapsed < 2 * fragment) {
      return frame.kind === FrameKind.interframe && elapsed >= fragment;
    }
    if (frame.kind === FrameKind.keyframe) return this.#discontinuity || elapsed >= fragment;
    return this.#isAudioOnly && (this.#discontinuity || elapsed >= fragment * AUDIO_ONLY_RATIO);
  }

  #begin(timestamp: number): void {
    const tables = this.#encoder.tables();
    this.#open = {
      parts: [tables],
      bytes: tables.length,
      start: timestamp,
      end: timestamp,
      discontinuity: this.#discontinuity,
    };
    this.#discontinuity = false;
  }

  #append(frame: Frame, open: OpenSegment): void {
    const packets = this.#encoder.encode(
      this.#has('hls-timestamps-restart') ? frame.at(Math.max(0, frame.timestamp - open.start)) : frame,
    );
    if (!packets) return;
    open.parts.push(packets);
    open.bytes += packets.length;
    if (open.bytes <= MAX_SEGMENT_BYTES) return;
    this.#options.log(`hls ${this.#url}: ${open.bytes} bytes without a keyframe are dropped`);
    this.#open = undefined;
    this.#discontinuity = true;
  }

  #finish({ parts, discontinuity }: OpenSegment, durationMs: number): void {
    if (durationMs < MIN_SEGMENT_MS) {
      this.#discontinuity ||= discontinuity;
      return;
    }
    const sequence = this.#sequence++;
    const name = `${this.#options.stream}-${sequence}.ts`;
    const missing = this.#has('hls-segment-missing') && sequence % MISSING_EVERY === MISSING_EVERY - 1;
    if (!missing) this.#store.put(name, this.#spoil(Buffer.concat(parts)));
    const expired = this.#window.add({ sequence, name, duration: durationMs / 1000, discontinuity });
    this.#writePlaylist(sequence);
    for (const segment of expired) this.#store.delete(segment.name);
    if (!this.#has('hls-segments-deleted-early')) return;
    for (const segment of this.#window.segments.slice(0, -FILES_LEFT)) this.#store.delete(segment.name);
  }

  #spoil(segment: Buffer): Uint8Array {
    if (this.#has('hls-continuity-reset')) countAgainPerUnit(segment);
    if (this.#has('hls-no-pcr')) withoutClock(segment);
    if (this.#has('hls-wrong-stream-type')) renameAudio(segment);
    return this.#has('hls-segment-truncated') ? withoutTail(segment) : segment;
  }

  #writePlaylist(sequence: number): void {
    if (this.#has('hls-playlist-stale') && sequence % STALE_EVERY !== 0) return;
    const text = this.#window.playlist();
    if (text !== undefined) this.#store.put(`${this.#options.stream}.m3u8`, Buffer.from(text));
  }
}
