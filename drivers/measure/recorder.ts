/** For checks: every item of one stream, whole, with its checksum and its stamp. */
import { isSequenceHeader } from '../../protocols/flv/body.ts';
import { AnnexBScanner } from '../../protocols/h264/annexb-scanner.ts';
import { Checksum } from '../../protocols/h264/checksum.ts';
import { AccessUnitScanner, type StampedUnit } from '../../protocols/h264/stamp.ts';
import { MediaLayout, type MediaSink, MediaType } from '../../protocols/media.ts';

/** One FLV tag body, or the payload of one PES packet, whole. */
export interface RecordedItem {
  /** `metadata` is onMetaData; `config` is an audio or video sequence header, or an access unit without a slice in Annex B. */
  readonly kind: 'metadata' | 'audio-config' | 'video-config' | 'audio' | 'video' | 'script';
  /** DTS in ms as on the wire. */
  readonly timestamp: number;
  /** Bytes of the body. */
  readonly size: number;
  /** Checksum of the whole body (protocols/h264/checksum.ts). */
  readonly sum: number;
  /** Video: a keyframe by its FLV frame type; in Annex B by its IDR slice. */
  readonly key: boolean;
  /** The stamp of a video frame; null where there is none. `intact` is the stamp's own verdict over the slices. */
  readonly stamp: {
    readonly stream: number;
    readonly frame: number;
    readonly sentAt: number;
    readonly intact: boolean;
  } | null;
  /** Of segmented protocols: the media sequence number of its segment. */
  readonly segment?: number;
}

/** AMF0 string "onMetaData". */
const ON_META_DATA = Uint8Array.of(2, 0, 10, ...new TextEncoder().encode('onMetaData'));

class Track {
  readonly sum = new Checksum();
  readonly head = new Uint8Array(ON_META_DATA.length);
  headLength = 0;
  timestamp = 0;
  size = 0;
}

export class MediaRecorder implements MediaSink {
  readonly #onItem: (item: RecordedItem, now: number) => void;
  #scanner: StampedUnit = new AccessUnitScanner();
  #layout: MediaLayout = MediaLayout.flv;
  #segment: number | undefined;
  readonly #tracks = {
    [MediaType.audio]: new Track(),
    [MediaType.video]: new Track(),
    [MediaType.script]: new Track(),
  };

  constructor(onItem: (item: RecordedItem, now: number) => void) {
    this.#onItem = onItem;
  }

  layout(layout: MediaLayout): void {
    this.#layout = layout;
    this.#scanner = layout === MediaLayout.annexB ? new AnnexBScanner() : new AccessUnitScanner();
  }

  segment(sequence: number): void {
    this.#segment = sequence;
  }

  begin(type: MediaType, timestamp: number, length: number): void {
    const track = this.#tracks[type];
    track.sum.reset();
    track.headLength = 0;
    track.timestamp = timestamp;
    track.size = 0;
    if (type === MediaType.video) this.#scanner.begin(length);
  }

  data(type: MediaType, bytes: Uint8Array, start: number, end: number): void {
    const track = this.#tracks[type];
    track.size += end - start;
    track.sum.update(bytes, start, end);
    for (let at = start; at < end && track.headLength < track.head.length; at++) {
      track.head[track.headLength++] = bytes[at]!;
    }
    if (type === MediaType.video) this.#scanner.data(bytes, start, end);
  }

  end(type: MediaType, now: number): void {
    const track = this.#tracks[type];
    const scanner = this.#scanner;
    const video = type === MediaType.video;
    if (video) scanner.end();
    this.#onItem(
      {
        kind:
          this.#layout === MediaLayout.annexB
            ? annexBKind(type, scanner)
            : kindOf(type, track.head.subarray(0, track.headLength)),
        timestamp: track.timestamp,
        size: track.size,
        sum: track.sum.digest(),
        key: video && scanner.keyframe,
        stamp:
          video && scanner.stamped
            ? { stream: scanner.stream, frame: scanner.frame, sentAt: scanner.sentAt, intact: scanner.intact }
            : null,
        ...(this.#segment === undefined ? {} : { segment: this.#segment }),
      },
      now,
    );
  }
}

/** The item of a body that is at hand as a whole: what a publisher sent. */
export function describeItem(
  type: MediaType,
  timestamp: number,
  body: Uint8Array,
  now: number,
): RecordedItem {
  let described: RecordedItem | undefined;
  const recorder = new MediaRecorder((item) => {
    described = item;
  });
  recorder.begin(type, timestamp, body.length);
  recorder.data(type, body, 0, body.length);
  recorder.end(type, now);
  return described!;
}

function kindOf(type: MediaType, head: Uint8Array): RecordedItem['kind'] {
  if (type === MediaType.script) return startsWith(head, ON_META_DATA) ? 'metadata' : 'script';
  const config = isSequenceHeader(type, head);
  if (type === MediaType.video) return config ? 'video-config' : 'video';
  return config ? 'audio-config' : 'audio';
}

function annexBKind(type: MediaType, scanner: StampedUnit): RecordedItem['kind'] {
  if (type !== MediaType.video) return 'audio';
  return scanner.config ? 'video-config' : 'video';
}

function startsWith(bytes: Uint8Array, prefix: Uint8Array): boolean {
  return bytes.length >= prefix.length && prefix.every((byte, at) => bytes[at] === byte);
}
