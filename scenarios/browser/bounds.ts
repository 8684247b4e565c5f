/** Bounds that the judge of the browser uses, and what a play takes its time for. Milliseconds, each with its source. */
import { ABSENT_ORIGIN_MS, MERGED_WRITE_MS, PLAYING_WITHIN_MS, RTC_PLAYING_WITHIN_MS } from '../bounds.ts';
import type { BrowserProtocol } from './record.ts';

/** A stream is published for so long before anybody plays it: nodes have a GOP of it then. */
export const WARM_UP_MS = 1500;
/** From the first picture on. */
export const WATCH_MS = 8000;

/** Before anybody plays HLS so many target durations are listed: a player begins three before the end (RFC 8216 6.3.3). */
export const LISTED_TARGETS = 4;
/** Until they are: a second each, as long again for a ladder of encoders that has to begin, and an edge that asks a wrong origin first. */
export const HLS_LISTED_WITHIN_MS = 2 * (LISTED_TARGETS + 1) * 2000 + ABSENT_ORIGIN_MS;

/** Decoding the first GOP in software and a frame of the display, on a machine with two busy cores. */
const DECODED_MS = 1000;

/** From the wish to play to the first picture, where the stream is there. */
export const STARTS_WITHIN_MS: Readonly<Record<BrowserProtocol, number>> = {
  flv: PLAYING_WITHIN_MS + DECODED_MS,
  // Playlists and one segment, and the same pull where an edge cuts it.
  hls: PLAYING_WITHIN_MS + DECODED_MS,
  webrtc: RTC_PLAYING_WITHIN_MS + DECODED_MS,
};

/** The picture stands still: a dozen frames at 25 frames/s did not come. A viewer sees that. */
export const STILL_MS = 500;

/** The page was not given the time to draw for so long: what it saw, or did not see, is not the cluster's doing. */
export const HELD_UP_MS = 300;
/** The same of the process with publisher and driver: half of a stall. */
export const LOOP_LAG_MS = STILL_MS / 2;

/** Clocks of one machine, as two programs read them (Chromium rounds `performance.now` to 0.1 ms). */
export const CLOCK_MS = 10;

/**
 * A browser cannot show what has not come yet. The driver's bytes come over a connection of their own, which a node may
 * serve a merged write later (facts/srs.md 7.3).
 */
export const BESIDE_MS = MERGED_WRITE_MS;

/** Decoding a frame, and two frames of a display of 60 Hz, on a busy machine. */
const SHOWN_MS = 150;

/** mpegts.js 1.8: with `liveSync` it plays faster above `liveSyncMaxLatency`, 1.2 s of buffered media. */
export const MPEGTS_BUFFER_MS = 1200;
/** hls.js 1.7: it begins `liveSyncDurationCount`, 3, target durations before the end of the playlist. */
export const HLS_SYNC_TARGETS = 3;
/** That end is as old as the segment that is being cut, and the last reload of the playlist (RFC 8216 6.3.4): a target duration each. */
export const HLS_OLD_TARGETS = 2;
/** WebRTC's jitter buffer plays as soon as it can; it holds frames back by what the arrival varies: a merged write. */
export const JITTER_BUFFER_MS = MERGED_WRITE_MS;

/**
 * How late the browser shows what the driver has, at the most. Of HLS: what was published, since the driver's own figure
 * has the age of the playlist in it.
 */
export function latencyBound(protocol: BrowserProtocol, driverMs: number, targetMs: number): number {
  switch (protocol) {
    case 'flv':
      return driverMs + MPEGTS_BUFFER_MS + SHOWN_MS;
    case 'hls':
      return (HLS_SYNC_TARGETS + HLS_OLD_TARGETS) * targetMs + SHOWN_MS;
    case 'webrtc':
      return driverMs + JITTER_BUFFER_MS + SHOWN_MS;
  }
}
