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

/** SoundRate of FLV (v10.1 section E.4.2.1). */
const SOUND_RATES = [5512, 11025, 22050, 44100];
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

/**
 * Null for anything but AAC. Rate and channels are those of the FLV flags, as SRS tells them: for AAC these always
 * say 44100 and stereo. The profile is that of AudioSpecificConfig (ISO/IEC 14496-3 section 1.6.2.1).
 */
export function audioInfo(body: Uint8Array): AudioInfo | null {
  if (soundFormat(body) !== SoundFormat.aac || body.length < 4) return null;
  const flags = body[0]!;
  return {
    codec: 'AAC',
    sample_rate: SOUND_RATES[(flags >> 2) & 3]!,
    channel: (flags & 1) + 1,
    profile: AUDIO_OBJECT_TYPES[body[2]! >> 3] ?? 'Other',
  };
}
