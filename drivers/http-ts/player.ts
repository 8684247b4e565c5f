/** Plays one HTTP-TS stream into a sink: an answer as of HTTP-FLV, with a transport stream in it. */
import { TsMediaReader } from '../../protocols/mpegts/media.ts';
import { type BodyReader, FlvPlayer } from '../flv/player.ts';
import type { MediaInlet } from '../inlet.ts';
import { wallClock } from '../measure/clock.ts';

/** A gap in the transport stream is told as the problem `mpegts.continuity`. */
export class HttpTsPlayer extends FlvPlayer {
  protected override readerOf(inlet: MediaInlet): BodyReader {
    return new TsMediaReader(inlet, (pid, expected, actual) =>
      this.observer?.onProblem?.(
        this,
        'mpegts.continuity',
        `PID ${pid}: continuity_counter ${actual} instead of ${expected}`,
        wallClock.now(),
      ),
    );
  }
}
