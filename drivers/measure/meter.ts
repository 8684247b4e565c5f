/** Measures every video frame of one player: latency, continuity, damage, and what a viewer would have seen. */

import { AnnexBScanner } from '../../protocols/h264/annexb-scanner.ts';
import { AccessUnitScanner, type StampedUnit } from '../../protocols/h264/stamp.ts';
import { MediaLayout, type MediaSink, MediaType, UNKNOWN_LENGTH } from '../../protocols/media.ts';
import type { PhaseTiming } from '../client.ts';
import { Continuity } from './continuity.ts';
import { type HistogramCounts, LatencyHistogram } from './histogram.ts';
import { PlayerModel } from './player-model.ts';

/** An AVC body of this length has no access unit in it: an end of sequence. */
const EMPTY_AVC_BODY = 5;

/**
 * Scans every body that comes in one piece, which nearly all do: begin, data and end then follow each other with
 * nothing between, so that all meters can share one scanner, which stays in the processor's cache.
 */
const shared: StampedUnit = new AccessUnitScanner();

/** What the meters of one process fill together. */
export class MeterHistograms {
  /** From open to the first picture of the player model. */
  readonly startup = new LatencyHistogram();
  /** Frames that were published before the player came: old by design of a GOP cache. */
  readonly join = new LatencyHistogram();
  /** All others. */
  readonly steady = new LatencyHistogram();
  /** The lowest latency of all, in ms. Well below zero: the publisher's clock and ours do not agree. */
  lowest = Number.POSITIVE_INFINITY;

  /** Takes out what was recorded since the last time. */
  take(): MeterCounts {
    return {
      startup: this.startup.takeCounts(),
      join: this.join.takeCounts(),
      steady: this.steady.takeCounts(),
    };
  }
}

/** What the meters of one process recorded in an interval; undefined where that is nothing. */
export interface MeterCounts {
  readonly startup: HistogramCounts | undefined;
  readonly join: HistogramCounts | undefined;
  readonly steady: HistogramCounts | undefined;
}

/** Shared by many meters. */
export interface MeterObserver {
  onFirstKeyframe?(meter: FrameMeter, now: number): void;
  /** A video frame is complete and counted. */
  onFrame?(meter: FrameMeter, now: number): void;
}

/** Plain fields: every frame of every player passes here. */
export class FrameMeter implements MediaSink {
  /** Video frames, whole ones and damaged ones. */
  received = 0;
  /** Frames without a stamp: nothing below is known of them. */
  unstamped = 0;
  /** Frames that are intact and whose checksum was compared: all of them, unless slices were left encrypted (WebRTC). */
  verified = 0;
  /** The checksum does not fit, or the access unit is malformed. */
  corrupt = 0;
  joined = false;
  /** The owner's number for it. */
  readonly index: number;
  readonly continuity = new Continuity();
  readonly model = new PlayerModel();
  private scanner = shared;
  /** For bodies that come in pieces; made when the first one does, or when the layout is Annex B. */
  private ownScanner: StampedUnit | undefined = undefined;
  private readonly histograms: MeterHistograms;
  private readonly observer: MeterObserver | undefined;
  private timing: PhaseTiming | undefined = undefined;
  private timestamp = 0;
  private length = 0;
  /** The scanner has begun the present body. */
  private begun = false;

  constructor(histograms: MeterHistograms, observer?: MeterObserver, index = 0) {
    this.histograms = histograms;
    this.observer = observer;
    this.index = index;
  }

  /** The record of the player that this meter is the sink of; `firstFrameShown` is written to it. */
  attach(timing: PhaseTiming): void {
    this.timing = timing;
  }

  /** Annex B has no lengths, and thus no body that is known to come in one piece. */
  layout(layout: MediaLayout): void {
    this.ownScanner = layout === MediaLayout.annexB ? new AnnexBScanner() : undefined;
  }

  begin(type: MediaType, timestamp: number, length: number): void {
    if (type !== MediaType.video) return;
    this.timestamp = timestamp;
    this.length = length;
    this.begun = false;
  }

  data(type: MediaType, bytes: Uint8Array, start: number, end: number): void {
    if (type !== MediaType.video) return;
    if (!this.begun) this.beginScan(end - start === this.length);
    this.scanner.data(bytes, start, end);
  }

  private beginScan(whole: boolean): void {
    if (whole) {
      this.scanner = shared;
    } else {
      this.ownScanner ??= new AccessUnitScanner();
      this.scanner = this.ownScanner;
    }
    this.begun = true;
    this.scanner.begin(this.length);
  }

  end(type: MediaType, now: number): void {
    if (type !== MediaType.video) return;
    if (!this.begun) this.beginScan(this.length !== UNKNOWN_LENGTH);
    const scanner = this.scanner;
    scanner.end();
    if (scanner.config || (this.length <= EMPTY_AVC_BODY && this.isEmptyBody())) return;
    this.received++;
    if (scanner.intact) {
      if (!scanner.unchecked) this.verified++;
      this.continuity.frame(scanner.stream, scanner.frame);
      const latency = now - scanner.sentAt;
      if (latency < this.histograms.lowest) this.histograms.lowest = latency;
      if (this.timing !== undefined && scanner.sentAt < this.timing.started)
        this.histograms.join.record(latency);
      else this.histograms.steady.record(latency);
    } else {
      this.irregular();
    }
    if (scanner.keyframe && !this.joined) {
      this.joined = true;
      this.observer?.onFirstKeyframe?.(this, now);
    }
    // A viewer's decoder starts at a keyframe, too.
    if (this.joined && this.model.frame(this.timestamp, now)) this.shown(now);
    this.observer?.onFrame?.(this, now);
  }

  private isEmptyBody(): boolean {
    return this.length !== UNKNOWN_LENGTH && !this.scanner.stamped;
  }

  private irregular(): void {
    const { scanner, continuity } = this;
    if (!scanner.stamped) {
      if (scanner.malformed) this.corrupt++;
      else this.unstamped++;
      return;
    }
    this.corrupt++;
    // Its number cannot be trusted, unless it is just the one that was due: then the frame is damaged, not missing.
    if (scanner.stream === continuity.stream && scanner.frame === continuity.last + 1) {
      continuity.frame(scanner.stream, scanner.frame);
    }
  }

  private shown(now: number): void {
    if (this.timing === undefined || !Number.isNaN(this.timing.firstFrameShown)) return;
    this.timing.firstFrameShown = now;
    this.histograms.startup.record(now - this.timing.started);
  }
}
