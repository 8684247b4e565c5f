/** Between a parser and a player's sink: notes when the first media byte and the first whole keyframe came. */
import { isKeyframe } from '../protocols/flv/body.ts';
import { AnnexBScanner } from '../protocols/h264/annexb-scanner.ts';
import { MediaLayout, type MediaSink, MediaType } from '../protocols/media.ts';
import type { PhaseTiming } from './client.ts';

/** The frame type and the packet type are in the first two bytes of a video body. */
const HEAD_SIZE = 2;

/** Plain fields: every frame of every player passes here. */
export class MediaInlet implements MediaSink {
  private readonly sink: MediaSink;
  private readonly timing: PhaseTiming;
  /** Until the first keyframe is complete. After it, a player may as well go to its sink directly. */
  private watching = true;
  private readonly head = new Uint8Array(HEAD_SIZE);
  private headLength = 0;
  /** Looks for the IDR slice where the layout has no head that tells; gone after the first keyframe. */
  private scanner: AnnexBScanner | undefined = undefined;

  constructor(sink: MediaSink, timing: PhaseTiming) {
    this.sink = sink;
    this.timing = timing;
  }

  layout(layout: MediaLayout): void {
    if (layout === MediaLayout.annexB) this.scanner = new AnnexBScanner();
    this.sink.layout?.(layout);
  }

  segment(sequence: number): void {
    this.sink.segment?.(sequence);
  }

  begin(type: MediaType, timestamp: number, length: number, now: number): void {
    if (this.watching) {
      if (type !== MediaType.script && Number.isNaN(this.timing.firstByte)) this.timing.firstByte = now;
      if (type === MediaType.video) {
        this.headLength = 0;
        this.scanner?.begin();
      }
    }
    this.sink.begin(type, timestamp, length, now);
  }

  data(type: MediaType, bytes: Uint8Array, start: number, end: number): void {
    if (this.watching && type === MediaType.video) {
      this.scanner?.data(bytes, start, end);
      for (let at = start; at < end && this.headLength < HEAD_SIZE; at++)
        this.head[this.headLength++] = bytes[at]!;
    }
    this.sink.data(type, bytes, start, end);
  }

  end(type: MediaType, now: number): void {
    if (this.watching && type === MediaType.video && this.keyframe()) {
      this.watching = false;
      this.scanner = undefined;
      this.timing.firstKeyframe = now;
    }
    this.sink.end(type, now);
  }

  private keyframe(): boolean {
    if (this.scanner === undefined) return this.headLength === HEAD_SIZE && isKeyframe(this.head);
    this.scanner.end();
    return this.scanner.keyframe;
  }
}
