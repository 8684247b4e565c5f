/** One media message of a stream, encoded at most once for each protocol. */
import { isKeyframe, isSequenceHeader } from '../../protocols/flv/body.ts';
import { MediaType } from '../../protocols/media.ts';

export const FrameKind = {
  metadata: 'metadata',
  audioHeader: 'audio-header',
  videoHeader: 'video-header',
  audio: 'audio',
  keyframe: 'keyframe',
  interframe: 'interframe',
} as const;
export type FrameKind = (typeof FrameKind)[keyof typeof FrameKind];

export class Frame {
  readonly type: MediaType;
  readonly kind: FrameKind;
  /** DTS in ms, uint32, as the publisher sent it: nothing corrects it on the way (SRS `time_jitter off`). */
  readonly timestamp: number;
  readonly payload: Uint8Array;
  rtmp: Uint8Array | undefined;
  flv: Uint8Array | undefined;
  ts: Uint8Array | undefined;

  constructor(type: MediaType, timestamp: number, payload: Uint8Array) {
    this.type = type;
    this.kind = kindOf(type, payload);
    this.timestamp = timestamp >>> 0;
    this.payload = payload;
  }

  get isVideo(): boolean {
    return this.kind === FrameKind.keyframe || this.kind === FrameKind.interframe;
  }

  /** The same message at another time. */
  at(timestamp: number): Frame {
    return new Frame(this.type, timestamp, this.payload);
  }
}

function kindOf(type: MediaType, payload: Uint8Array): FrameKind {
  if (type === MediaType.script) return FrameKind.metadata;
  if (isSequenceHeader(type, payload)) {
    return type === MediaType.audio ? FrameKind.audioHeader : FrameKind.videoHeader;
  }
  if (type === MediaType.audio) return FrameKind.audio;
  return isKeyframe(payload) ? FrameKind.keyframe : FrameKind.interframe;
}
