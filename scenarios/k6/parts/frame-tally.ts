/** What one HLS viewer of k6 sees of every video frame: the same stamp, continuity and player model as our swarm's. */
import { Continuity } from '../../../drivers/measure/continuity.ts';
import { PlayerModel } from '../../../drivers/measure/player-model.ts';
import { AnnexBScanner } from '../../../protocols/h264/annexb-scanner.ts';
import { type MediaSink, MediaType } from '../../../protocols/media.ts';

export interface FrameObserver {
  /** In ms, arrival minus stamp, of a frame that was published after its viewer came. */
  onSteady(latency: number): void;
  /** The same of a frame that is older than its viewer. */
  onJoin(latency: number): void;
  /** ms from the viewer's start to the first picture. */
  onShown(startup: number): void;
}

/** Sink of a TsMediaReader. */
export class FrameTally implements MediaSink {
  received = 0;
  unstamped = 0;
  corrupt = 0;
  joined = false;
  readonly continuity = new Continuity();
  readonly model = new PlayerModel();
  private readonly scanner = new AnnexBScanner();
  private readonly startedAt: number;
  private readonly observer: FrameObserver;
  private timestamp = 0;

  /** @param startedAt of the viewer, epoch ms. */
  constructor(startedAt: number, observer: FrameObserver) {
    this.startedAt = startedAt;
    this.observer = observer;
  }

  begin(type: MediaType, timestamp: number): void {
    if (type !== MediaType.video) return;
    this.timestamp = timestamp;
    this.scanner.begin();
  }

  data(type: MediaType, bytes: Uint8Array, start: number, end: number): void {
    if (type === MediaType.video) this.scanner.data(bytes, start, end);
  }

  end(type: MediaType, now: number): void {
    if (type !== MediaType.video) return;
    const { scanner } = this;
    scanner.end();
    if (scanner.config) return;
    this.received++;
    if (scanner.intact) {
      this.continuity.frame(scanner.stream, scanner.frame);
      const latency = now - scanner.sentAt;
      if (scanner.sentAt < this.startedAt) this.observer.onJoin(latency);
      else this.observer.onSteady(latency);
    } else {
      this.irregular();
    }
    if (scanner.keyframe) this.joined = true;
    if (!this.joined || !this.model.frame(this.timestamp, now)) return;
    if (this.model.stalls === 0) this.observer.onShown(now - this.startedAt);
  }

  /** As our swarm's meter does: a damaged number counts only when it is just the one that was due. */
  private irregular(): void {
    const { scanner, continuity } = this;
    if (!scanner.stamped && !scanner.malformed) {
      this.unstamped++;
      return;
    }
    this.corrupt++;
    if (scanner.stream === continuity.stream && scanner.frame === continuity.last + 1)
      continuity.frame(scanner.stream, scanner.frame);
  }
}
