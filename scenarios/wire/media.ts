/**
 * Bodies of FLV tags made on the spot: small, of any size, each different from all others, so that a check can say
 * which one came through and whether it came whole. The audio is AAC, silence, as a server decodes it that has WebRTC
 * players (SRS 7.0.18 ends a publisher whose AAC it cannot decode: app/srs_app_rtc_codec.cpp). Of video servers look at
 * the outside only (frame type, sequence headers, NAL unit lengths), and there everything is in order; nobody could
 * decode the pictures.
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
/** FLV header of an audio body: AAC, raw (FLV v10.1 E.4.2.1). */
const AUDIO_HEADER = [0xaf, 1] as const;

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

/** @param size of the body, at least 9 bytes. */
export function audioTag(size: number): WireTag {
  const body = Buffer.concat([Buffer.from(AUDIO_HEADER), silence(size - AUDIO_HEADER.length)]);
  return { type: MediaType.audio, kind: 'audio', key: false, body };
}

/** The most that one data_stream_element has without a longer count. */
const MOST_DATA = 254;
const DATA_HEAD = [0b100_0000_1, 0] as const;
const END = 0b111_00000;

/**
 * A raw_data_block of AAC (ISO/IEC 14496-3, 4.4.2.1): one channel without a spectrum, whose 29 bits are all 0, then
 * elements of data that decoders skip, random so that no two blocks are equal.
 */
function silence(size: number): Buffer {
  const block = randomBytes(size);
  let left = size - 1;
  const count = (head: number): number => {
    const rest = left - head;
    // What is left has room for another head, or there is nothing.
    const data = rest <= MOST_DATA ? rest : Math.min(MOST_DATA, rest - DATA_HEAD.length);
    left -= head + data;
    return data;
  };
  const first = count(6);
  block.set([0, 0, 0, DATA_HEAD[0] >> 5, ((DATA_HEAD[0] << 3) | (first >> 5)) & 0xff, (first << 3) & 0xff]);
  while (left > 0) {
    const at = size - 1 - left;
    block.set([DATA_HEAD[0], count(DATA_HEAD.length)], at);
  }
  block[size - 1] = END;
  return block;
}

/** The tag as histories tell it. */
export function itemOf(tag: WireTag, timestamp: number): MediaItem {
  const checksum = new Checksum();
  checksum.update(tag.body, 0, tag.body.length);
  const { kind, key, body } = tag;
  return { kind, key, timestamp, size: body.length, sum: checksum.digest(), stamp: null };
}
