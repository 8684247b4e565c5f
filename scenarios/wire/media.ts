/**
 * Bodies of FLV tags made on the spot: small, of any size, each different from all others, so that a check can say
 * which one came through and whether it came whole. Servers look at their outside only (frame type, sequence headers,
 * NAL unit lengths), and there everything is in order; nobody could decode the pictures.
 */
import { randomBytes } from 'node:crypto';
import { encodeAmf } from '../../protocols/amf0/amf0.ts';
import { Checksum } from '../../protocols/h264/checksum.ts';
import { MediaType } from '../../protocols/media.ts';
import type { MediaItem } from '../history.ts';

export interface WireTag {
  readonly type: MediaType;
  readonly kind: MediaItem['kind'];
  readonly key: boolean;
  readonly body: Uint8Array;
}

/** 320x180, H.264 Constrained Baseline, 25 fps: the sequence header of the test picture of the captures. */
const AVC_CONFIG = Buffer.from(
  '17000000000142c00cffe100176742c00cda05067e7c0440000003004000000c83c50aa801000468ce3c80',
  'hex',
);
/** AAC LC, 44.1 kHz, mono. */
const AAC_CONFIG = Buffer.from('af00120856e500', 'hex');
/** FLV header of a video body (5 bytes), NAL unit length (4), NAL unit header (1). */
const VIDEO_OVERHEAD = 10;
const AUDIO_OVERHEAD = 2;

const NalHeader = { slice: 0x41, idrSlice: 0x65 } as const;

export function metadataTag(): WireTag {
  const body = encodeAmf(['onMetaData', { width: 320, height: 180, videocodecid: 7, audiocodecid: 10 }]);
  return { type: MediaType.script, kind: 'metadata', key: false, body };
}

export function videoConfigTag(): WireTag {
  return { type: MediaType.video, kind: 'video-config', key: true, body: AVC_CONFIG };
}

export function audioConfigTag(): WireTag {
  return { type: MediaType.audio, kind: 'audio-config', key: false, body: AAC_CONFIG };
}

/** One access unit with one slice of random content. @param size of the body, at least 11 bytes. */
export function videoTag(key: boolean, size: number): WireTag {
  const body = randomBytes(size);
  body.set([key ? 0x17 : 0x27, 1, 0, 0, 0]);
  body.writeUInt32BE(size - VIDEO_OVERHEAD + 1, 5);
  body[9] = key ? NalHeader.idrSlice : NalHeader.slice;
  return { type: MediaType.video, kind: 'video', key, body };
}

/** @param size of the body, at least 3 bytes. */
export function audioTag(size: number): WireTag {
  const body = randomBytes(Math.max(size, AUDIO_OVERHEAD + 1));
  body.set([0xaf, 1]);
  return { type: MediaType.audio, kind: 'audio', key: false, body };
}

/** The tag as histories tell it. */
export function itemOf(tag: WireTag, timestamp: number): MediaItem {
  const checksum = new Checksum();
  checksum.update(tag.body, 0, tag.body.length);
  const { kind, key, body } = tag;
  return { kind, key, timestamp, size: body.length, sum: checksum.digest(), stamp: null };
}
