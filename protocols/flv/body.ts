/**
 * The first bytes of audio and video tag bodies (Adobe FLV v10.1, E.4.2.1 AUDIODATA and E.4.3.1 VIDEODATA), which
 * RTMP messages share. Bodies in the form of Enhanced RTMP (v1 section "ExVideoTagHeader", v2 "ExAudioTagHeader")
 * are told apart, not decoded.
 */
import { MediaType } from '../media.ts';

export const VideoFrameType = { key: 1, inter: 2, disposableInter: 3, generatedKey: 4, info: 5 } as const;
export type VideoFrameType = (typeof VideoFrameType)[keyof typeof VideoFrameType];

/** CodecID. HEVC is the value in common use among Chinese CDNs and in SRS; Adobe's document ends at 7. */
export const VideoCodec = {
  sorensonH263: 2,
  screenVideo: 3,
  vp6: 4,
  vp6Alpha: 5,
  screenVideo2: 6,
  avc: 7,
  hevc: 12,
} as const;
export type VideoCodec = (typeof VideoCodec)[keyof typeof VideoCodec];

/** AVCPacketType. */
export const AvcPacketType = { sequenceHeader: 0, nalUnits: 1, endOfSequence: 2 } as const;
export type AvcPacketType = (typeof AvcPacketType)[keyof typeof AvcPacketType];

/** SoundFormat. 9 is reserved by Adobe and marks an ExAudioTagHeader in Enhanced RTMP v2. */
export const SoundFormat = { mp3: 2, exHeader: 9, aac: 10, speex: 11 } as const;
export type SoundFormat = (typeof SoundFormat)[keyof typeof SoundFormat];

/** AACPacketType. */
export const AacPacketType = { sequenceHeader: 0, raw: 1 } as const;
export type AacPacketType = (typeof AacPacketType)[keyof typeof AacPacketType];

/** Bytes before the first NAL unit length, or before the AVCDecoderConfigurationRecord. */
export const AVC_HEADER_SIZE = 5;

/** PacketType of an ExVideoTagHeader or ExAudioTagHeader that carries a decoder configuration. */
const EX_SEQUENCE_START = 0;
/** PacketType of an ExVideoTagHeader without coded frames: SequenceEnd and Metadata. */
const EX_SEQUENCE_END = 2;
const EX_METADATA = 4;

/** Whether a video body begins with an ExVideoTagHeader (Enhanced RTMP): the top bit, which Adobe's frame types leave 0. */
export function isExVideo(body: Uint8Array, at = 0): boolean {
  return at < body.length && (body[at]! & 0x80) !== 0;
}

/** CodecID of a video body, undefined for an empty body and for an ExVideoTagHeader (which names a FourCC instead). */
export function videoCodec(body: Uint8Array, at = 0): number | undefined {
  return at >= body.length || isExVideo(body, at) ? undefined : body[at]! & 0x0f;
}

/** SoundFormat of an audio body, undefined for an empty body. */
export function soundFormat(body: Uint8Array, at = 0): number | undefined {
  return at >= body.length ? undefined : body[at]! >> 4;
}

/**
 * Whether a video body is a coded keyframe. A sequence header and an end of sequence have frame type 1 too and are
 * not keyframes here.
 */
export function isKeyframe(body: Uint8Array, at = 0): boolean {
  if (at >= body.length) return false;
  const first = body[at]!;
  if (((first >> 4) & 0x07) !== VideoFrameType.key) return false;
  if ((first & 0x80) !== 0) {
    const packetType = first & 0x0f;
    return packetType !== EX_SEQUENCE_START && packetType !== EX_SEQUENCE_END && packetType !== EX_METADATA;
  }
  const codec = first & 0x0f;
  if (codec !== VideoCodec.avc && codec !== VideoCodec.hevc) return true;
  return body[at + 1] === AvcPacketType.nalUnits;
}

/** Whether a body is a decoder configuration: AVC, HEVC or AAC, also in the form of Enhanced RTMP. */
export function isSequenceHeader(type: MediaType, body: Uint8Array, at = 0): boolean {
  if (at >= body.length) return false;
  const first = body[at]!;
  if (type === MediaType.video) {
    if ((first & 0x80) !== 0) return (first & 0x0f) === EX_SEQUENCE_START;
    const codec = first & 0x0f;
    return (
      (codec === VideoCodec.avc || codec === VideoCodec.hevc) && body[at + 1] === AvcPacketType.sequenceHeader
    );
  }
  if (type === MediaType.audio) {
    if (first >> 4 === SoundFormat.exHeader) return (first & 0x0f) === EX_SEQUENCE_START;
    return first >> 4 === SoundFormat.aac && body[at + 1] === AacPacketType.sequenceHeader;
  }
  return false;
}

/** CompositionTime of an AVC or HEVC body: presentation minus decoding time in milliseconds, signed. 0 when there is none. */
export function compositionTime(body: Uint8Array, at = 0): number {
  const codec = videoCodec(body, at);
  if ((codec !== VideoCodec.avc && codec !== VideoCodec.hevc) || body.length < at + AVC_HEADER_SIZE) return 0;
  return ((body[at + 2]! << 24) | (body[at + 3]! << 16) | (body[at + 4]! << 8)) >> 8;
}
