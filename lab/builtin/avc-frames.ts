/** Access units in Annex B as the video of an RTMP publisher: FLV bodies with sequence headers (FLV v10.1 E.4.3.1). */
import { AVC_HEADER_SIZE, AvcPacketType, VideoCodec, VideoFrameType } from '../../protocols/flv/body.ts';
import { splitAnnexB } from '../../protocols/h264/annexb.ts';
import { joinAvcc } from '../../protocols/h264/avcc.ts';
import { NalType, nalType } from '../../protocols/h264/nal.ts';
import { encodeAvcConfig } from '../../protocols/h264/parameter-sets.ts';

/** Profile, constraints and level follow the header of an SPS. */
const MIN_SPS_SIZE = 4;

export interface AvcBody {
  readonly body: Uint8Array;
  readonly kind: 'header' | 'keyframe' | 'interframe';
}

/**
 * NAL units keep their order; parameter sets become a sequence header when they change, and delimiters are left out.
 * There is nothing before the first sequence header.
 */
export class AvcFrames {
  #sps: readonly Uint8Array[] = [];
  #pps: readonly Uint8Array[] = [];
  #header: Uint8Array | undefined;

  /**
   * None, one, or a sequence header and a frame.
   * @param compositionTime in ms.
   */
  push(accessUnit: Uint8Array, compositionTime: number): AvcBody[] {
    const nals = splitAnnexB(accessUnit);
    const bodies: AvcBody[] = [];
    const header = this.#headerOf(nals);
    if (header) bodies.push({ body: header, kind: 'header' });
    const kept = nals.filter((nal) => !isLeftOut(nalType(nal[0]!)));
    if (this.#header === undefined || kept.length === 0) return bodies;
    const key = kept.some((nal) => nalType(nal[0]!) === NalType.idrSlice);
    const frameType = key ? VideoFrameType.key : VideoFrameType.inter;
    const body = videoBody(frameType, AvcPacketType.nalUnits, compositionTime, joinAvcc(kept));
    bodies.push({ body, kind: key ? 'keyframe' : 'interframe' });
    return bodies;
  }

  /** Undefined when it is the one before, or there is none yet. */
  #headerOf(nals: readonly Uint8Array[]): Uint8Array | undefined {
    const sps = nals.filter((nal) => nalType(nal[0]!) === NalType.sps && nal.length >= MIN_SPS_SIZE);
    const pps = nals.filter((nal) => nalType(nal[0]!) === NalType.pps);
    if (sps.length > 0) this.#sps = sps.map((nal) => nal.slice());
    if (pps.length > 0) this.#pps = pps.map((nal) => nal.slice());
    const [first] = this.#sps;
    if ((sps.length === 0 && pps.length === 0) || first === undefined || this.#pps.length === 0) {
      return undefined;
    }
    const [, profile, compatibility, level] = first;
    const config = encodeAvcConfig({
      profile: profile!,
      compatibility: compatibility!,
      level: level!,
      lengthSize: 4,
      sps: this.#sps,
      pps: this.#pps,
    });
    const body = videoBody(VideoFrameType.key, AvcPacketType.sequenceHeader, 0, config);
    if (sameBytes(body, this.#header)) return undefined;
    this.#header = body;
    return body;
  }
}

function isLeftOut(type: number): boolean {
  return type === NalType.sps || type === NalType.pps || type === NalType.accessUnitDelimiter;
}

function videoBody(
  frameType: VideoFrameType,
  packetType: AvcPacketType,
  compositionTime: number,
  content: Uint8Array,
): Uint8Array {
  const body = new Uint8Array(AVC_HEADER_SIZE + content.length);
  body[0] = (frameType << 4) | VideoCodec.avc;
  body[1] = packetType;
  body[2] = compositionTime >> 16;
  body[3] = compositionTime >> 8;
  body[4] = compositionTime;
  body.set(content, AVC_HEADER_SIZE);
  return body;
}

export function sameBytes(one: Uint8Array, other: Uint8Array | undefined): boolean {
  return other !== undefined && one.length === other.length && one.every((byte, at) => byte === other[at]);
}
