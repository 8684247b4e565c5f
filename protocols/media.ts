/**
 * What RTMP and FLV have in common: RTMP audio, video and data messages carry the bodies of FLV tags, and their
 * type ids are the same (RTMP 1.0 section 7.1; FLV v10.1 section E.4.1).
 */
export const MediaType = { audio: 8, video: 9, script: 18 } as const;
export type MediaType = (typeof MediaType)[keyof typeof MediaType];

/**
 * Takes media as it comes off the wire, without a copy. `bytes` is only valid during the call: it is the reader's
 * shared buffer. Between `begin` and `end` of one type no other `begin` of that type comes; different types may
 * interleave.
 */
export interface MediaSink {
  /**
   * @param timestamp DTS in milliseconds, as sent (32 bit, unsigned).
   * @param length body length in bytes.
   * @param now arrival, in epoch milliseconds with fraction.
   */
  begin(type: MediaType, timestamp: number, length: number, now: number): void;
  data(type: MediaType, bytes: Uint8Array, start: number, end: number): void;
  end(type: MediaType, now: number): void;
}
