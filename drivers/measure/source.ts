/** What publishers send: one FLV file in memory, shared by all of them, without an end. */
import { readFileSync } from 'node:fs';
import { isSequenceHeader } from '../../protocols/flv/body.ts';
import { FlvReader } from '../../protocols/flv/reader.ts';
import { StampTemplate } from '../../protocols/h264/stamp.ts';
import { MediaType } from '../../protocols/media.ts';

export interface SourceItem {
  readonly type: MediaType;
  /** DTS in ms, from 0. */
  readonly timestamp: number;
  readonly body: Uint8Array;
  /** Video frames only. */
  readonly template: StampTemplate | undefined;
}

/** Frame time of a file with one frame: 25 frames per second. */
const DEFAULT_FRAME_MS = 40;

export class MediaSource {
  /** Metadata and sequence headers, as every publisher sends them first. */
  readonly headers: readonly SourceItem[];
  /** Audio and video in the order of the file. */
  readonly items: readonly SourceItem[];
  /** Of one round, in ms: the first timestamp of the next round continues the last one of this. */
  readonly duration: number;
  /** Video frames in one round. */
  readonly frames: number;
  /** Bytes of bodies in one round, with stamps. */
  readonly bytes: number;

  /** @throws ProtocolError when this is not FLV; Error when it has no H.264 video, does not begin with a keyframe, or changes its headers. */
  constructor(flv: Uint8Array) {
    const all = readItems(flv);
    const isHeader = (item: SourceItem): boolean =>
      item.type === MediaType.script || isSequenceHeader(item.type, item.body);
    refuseChanges(all);
    const media = all.filter((item) => !isHeader(item));
    const video = media.filter((item) => item.template !== undefined);
    if (video.length === 0) throw new Error('the file has no H.264 video frame to stamp');
    if (!video[0]!.template!.keyframe) throw new Error('the first video frame of the file is not a keyframe');
    const start = media.reduce(
      (least, { timestamp }) => Math.min(least, timestamp),
      Number.POSITIVE_INFINITY,
    );
    const shift = (item: SourceItem): SourceItem => ({ ...item, timestamp: item.timestamp - start });
    this.headers = all.filter(isHeader).map((item) => ({ ...item, timestamp: 0 }));
    this.items = media.map(shift);
    this.frames = video.length;
    const span = video.at(-1)!.timestamp - video[0]!.timestamp;
    const step = video.length > 1 ? span / (video.length - 1) : DEFAULT_FRAME_MS;
    this.duration = Math.max(Math.round(span + step), this.items.at(-1)!.timestamp + 1);
    this.bytes = this.items.reduce((sum, item) => sum + (item.template?.body ?? item.body).length, 0);
  }

  static load(file: string): MediaSource {
    return new MediaSource(readFileSync(file));
  }
}

/** All headers are sent first: frames would be played with those of others. */
function refuseChanges(all: readonly SourceItem[]): void {
  for (const [type, what] of [
    [MediaType.video, 'H.264'],
    [MediaType.audio, 'audio'],
  ] as const) {
    const [first, ...others] = all.filter((item) => item.type === type && isSequenceHeader(type, item.body));
    if (others.some(({ body }) => Buffer.compare(body, first!.body) !== 0))
      throw new Error(`the ${what} header of the file changes on the way, and one for all of it is needed`);
  }
}

function readItems(flv: Uint8Array): SourceItem[] {
  const items: SourceItem[] = [];
  let body = new Uint8Array(0);
  let at = 0;
  let timestamp = 0;
  const reader = new FlvReader({
    begin(_type, dts, length) {
      body = new Uint8Array(length);
      at = 0;
      timestamp = dts;
    },
    data(_type, bytes, start, end) {
      body.set(bytes.subarray(start, end), at);
      at += end - start;
    },
    end(type) {
      items.push({
        type,
        timestamp,
        body,
        template: type === MediaType.video ? StampTemplate.of(body) : undefined,
      });
    },
  });
  reader.push(flv);
  return items;
}

/** One publisher's walk through a source: endless, with timestamps that never go back. */
export class SourceCursor {
  readonly #source: MediaSource;
  #at = 0;
  #base = 0;

  constructor(source: MediaSource) {
    this.#source = source;
  }

  get item(): SourceItem {
    return this.#source.items[this.#at]!;
  }

  /** Of `item`, in ms, from 0 and up in every round. */
  get timestamp(): number {
    return this.#base + this.item.timestamp;
  }

  /** The next item is the first one of the source, when the one that was next is due: no time is left out. */
  restart(): void {
    this.#base = this.timestamp;
    this.#at = 0;
  }

  advance(): void {
    if (++this.#at < this.#source.items.length) return;
    this.#at = 0;
    this.#base += this.#source.duration;
  }
}
