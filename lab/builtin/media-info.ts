/** What the sequence headers say of a stream, in the API's words (facts/srs.md 3.2). */
import { ProtocolError } from '../../protocols/errors.ts';
import {
  AVC_HEADER_SIZE,
  isExVideo,
  SoundFormat,
  soundFormat,
  VideoCodec,
  videoCodec,
} from '../../protocols/flv/body.ts';
import { parseAvcConfig, parseSps } from '../../protocols/h264/parameter-sets.ts';

export interface VideoInfo {
  readonly codec: string;
  readonly profile: string;
  readonly level: string;
  readonly width: number;
  readonly height: number;
}

export interface AudioInfo {
  readonly codec: string;
  readonly sample_rate: number;
  readonly channel: number;
  readonly profile: string;
}

/** profile_idc of H.264 Annex A. */
const PROFILES: Readonly<Record<number, string>> = {
  66: 'Baseline',
  77: 'Main',
  88: 'Extended',
  100: 'High',
  110: 'High 10',
  122: 'High 4:2:2',
  244: 'High 4:4:4',
};

/** ISO/IEC 14496-3 table 1.18. */
const SAMPLE_RATES = [
  96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000, 7350,
];
const AUDIO_OBJECT_TYPES: Readonly<Record<number, string>> = {
  1: 'Main',
  2: 'LC',
  3: 'SSR',
  5: 'HE',
  29: 'HEv2',
};

/** Null for anything but H.264 with readable parameter sets. */
export function videoInfo(body: Uint8Array): VideoInfo | null {
  if (isExVideo(body) || videoCodec(body) !== VideoCodec.avc) return null;
  try {
    const config = parseAvcConfig(body, AVC_HEADER_SIZE);
    const { width, height } = parseSps(config.sps[0] ?? new Uint8Array(0));
    const profile = PROFILES[config.profile] ?? String(config.profile);
    const level = config.level % 10 === 0 ? String(config.level / 10) : (config.level / 10).toFixed(1);
    return { codec: 'H264', profile, level, width, height };
  } catch (error) {
    if (error instanceof ProtocolError) return null;
    throw error;
  }
}

/** Null for anything but AAC; reads AudioSpecificConfig (ISO/IEC 14496-3 section 1.6.2.1). */
export function audioInfo(body: Uint8Array): AudioInfo | null {
  if (soundFormat(body) !== SoundFormat.aac || body.length < 4) return null;
  const bits = (body[2]! << 8) | body[3]!;
  return {
    codec: 'AAC',
    sample_rate: SAMPLE_RATES[(bits >> 7) & 0x0f] ?? 0,
    channel: (bits >> 3) & 0x0f,
    profile: AUDIO_OBJECT_TYPES[bits >> 11] ?? 'Other',
  };
}
