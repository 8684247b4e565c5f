/**
 * What RTMP and FLV have in common: RTMP audio, video and data messages carry the bodies of FLV tags, and their
 * type ids are the same (RTMP 1.0 section 7.1; FLV v10.1 section E.4.1).
 */
export const MediaType = { audio: 8, video: 9, script: 18 } as const;
export type MediaType = (typeof MediaType)[keyof typeof MediaType];

/**
 * How the bodies between `begin` and `end` are laid out.
 * - `flv`: bodies of FLV tags, whose length is known at `begin`.
 * - `annexB`: what a PES packet of an MPEG transport stream carries (ISO/IEC 13818-1 2.4.3.6): video is one access unit
 *   as a byte stream (H.264 Annex B), audio is ADTS. The length is not known before `end`; `begin` is told UNKNOWN_LENGTH.
 *   RTP comes in the same layout (start codes are put before its NAL units), with one Opus packet per audio item; a start
 *   code with nothing behind it stands where packets of an access unit were lost, which no scanner takes for intact.
 */
export const MediaLayout = { flv: 'flv', annexB: 'annex-b' } as const;
export type MediaLayout = (typeof MediaLayout)[keyof typeof MediaLayout];

export const UNKNOWN_LENGTH = -1;

/**
 * Takes media as it comes off the wire, without a copy. `bytes` is only valid during the call: it is the reader's
 * shared buffer. Between `begin` and `end` of one type no other `begin` of that type comes; different types may
 * interleave.
 */
export interface MediaSink {
  /** Before the first `begin`, by sources whose layout is not `flv`. */
  layout?(layout: MediaLayout): void;
  /** Of segmented sources: what follows belongs to the media segment with this media sequence number. */
  segment?(sequence: number): void;
  /**
   * @param timestamp DTS in milliseconds, as sent (32 bit, unsigned).
   * @param length body length in bytes.
   * @param now arrival, in epoch milliseconds with fraction.
   */
  begin(type: MediaType, timestamp: number, length: number, now: number): void;
  data(type: MediaType, bytes: Uint8Array, start: number, end: number): void;
  end(type: MediaType, now: number): void;
}
