/** Plays one stream over SRT: MPEG-TS in the payload of live mode. */
import { ProtocolError } from '../../protocols/errors.ts';
import { fastBuffer } from '../../protocols/h264/checksum-kernel.ts';
import type { MediaSink } from '../../protocols/media.ts';
import { TsMediaReader } from '../../protocols/mpegts/media.ts';
import type { SrtConnection } from '../../protocols/srt/connection.ts';
import type { ClientObserver, ClientOptions, Player } from '../client.ts';
import { MediaInlet } from '../inlet.ts';
import { wallClock } from '../measure/clock.ts';
import { SrtClient } from './client.ts';

/**
 * Frames are handed on when SRT plays them, which is the agreed latency after they were sent. What was lost for good is
 * a gap in the transport stream, told as the problem `mpegts.continuity`.
 */
export class SrtPlayer extends SrtClient implements Player {
  readonly sink: MediaSink;
  private readonly media: TsMediaReader;
  private paused = false;

  /** @param url `srt://host:port?streamid=…&latency=…&passphrase=…&pbkeylen=…` (url.ts). */
  constructor(url: string, sink: MediaSink, options?: ClientOptions, observer?: ClientObserver) {
    super(url, 'request', options, observer);
    this.sink = sink;
    this.media = new TsMediaReader(new MediaInlet(sink, this.timing), (pid, expected, actual) =>
      this.observer?.onProblem?.(
        this,
        'mpegts.continuity',
        `PID ${pid}: continuity_counter ${actual} instead of ${expected}`,
        wallClock.now(),
      ),
    );
  }

  /** SRT has no back pressure for live streams: what comes meanwhile is thrown away, as by a viewer that is stopped. */
  pause(): void {
    this.paused = true;
  }

  resume(): void {
    if (!this.paused) return;
    this.paused = false;
    this.media.reset();
  }

  onData(_connection: SrtConnection, bytes: Uint8Array, start: number): void {
    if (this.paused) return;
    this.observer?.onMessage?.(this, bytes, start, wallClock.now());
    try {
      // Frames that lie in this buffer are summed fastest; a copy costs far less than that saves.
      fastBuffer.set(bytes);
      this.media.push(fastBuffer, start, bytes.length, wallClock.now());
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      // Every message begins with a packet of the transport stream: the next one may be good.
      this.media.reset();
      this.observer?.onProblem?.(this, error.code, error.message, wallClock.now());
    }
  }
}
