/**
 * The server of `bench:hls`: as little as HLS players need. One endless stamped stream in segments of 2 s, kept alive,
 * served out of shared buffers. `latest.ts` is the last segment, for readers that read no playlist.
 */
import { createServer, type Socket } from 'node:net';
import { wallClock } from '../../drivers/measure/clock.ts';
import { MediaSource } from '../../drivers/measure/source.ts';
import { targetDurationOf, writeMediaPlaylist } from '../../protocols/hls/write.ts';
import { SegmentMaker } from './hls-segments.ts';

const SEGMENT_MS = 2000;
/** In the playlist. */
const WINDOW = 6;
/** Beyond the playlist, for players that are late. */
const KEPT = 3;
const STEP_MS = 40;

export type FromHlsFeeder = { readonly port: number };

class Feeder {
  readonly #maker: SegmentMaker;
  readonly #segments = new Map<string, Buffer>();
  readonly #origin = performance.now() - SEGMENT_MS * WINDOW;
  #sequence = 0;
  #playlist: Buffer = NOT_FOUND;

  constructor(source: MediaSource) {
    this.#maker = new SegmentMaker(source, 1);
  }

  start(): void {
    this.#produce();
    setInterval(() => this.#produce(), STEP_MS);
  }

  #produce(): void {
    const due = performance.now() - this.#origin;
    for (;;) {
      const boundary = (this.#sequence + 1) * SEGMENT_MS;
      this.#maker.write(Math.min(due, boundary), wallClock.now());
      if (due < boundary) return;
      this.#cut();
    }
  }

  #cut(): void {
    const segment = answer('video/MP2T', this.#maker.cut());
    this.#segments.set(`/live/bench-${this.#sequence}.ts`, segment);
    this.#segments.set('/live/latest.ts', segment);
    this.#segments.delete(`/live/bench-${this.#sequence - WINDOW - KEPT}.ts`);
    const first = Math.max(0, this.#sequence - WINDOW + 1);
    this.#sequence++;
    const segments = Array.from({ length: this.#sequence - first }, (_, index) => ({
      uri: `bench-${first + index}.ts`,
      duration: SEGMENT_MS / 1000,
    }));
    const targetDuration = targetDurationOf(segments, SEGMENT_MS / 1000);
    this.#playlist = answer(
      'application/vnd.apple.mpegurl',
      Buffer.from(writeMediaPlaylist({ targetDuration, mediaSequence: first, segments })),
    );
  }

  serve(socket: Socket): void {
    socket.on('error', () => socket.destroy());
    let rest = '';
    socket.setEncoding('latin1');
    socket.on('data', (text: string) => {
      rest += text;
      for (;;) {
        const end = rest.indexOf('\r\n\r\n');
        if (end < 0) return;
        const path = rest.slice(4, rest.indexOf(' ', 4));
        rest = rest.slice(end + 4);
        socket.write(path.endsWith('.m3u8') ? this.#playlist : (this.#segments.get(path) ?? NOT_FOUND));
      }
    });
  }
}

const NOT_FOUND = Buffer.from('HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n');

function answer(type: string, body: Buffer): Buffer {
  const head = `HTTP/1.1 200 OK\r\nContent-Type: ${type}\r\nContent-Length: ${body.length}\r\n\r\n`;
  return Buffer.concat([Buffer.from(head), body]);
}

const feeder = new Feeder(MediaSource.load(process.argv[2]!));
feeder.start();
const server = createServer({ noDelay: true }, (socket) => feeder.serve(socket));
server.listen({ port: 0, host: '127.0.0.1', backlog: 4096 }, () => {
  const address = server.address();
  if (typeof address === 'object' && address !== null)
    process.send?.({ port: address.port } satisfies FromHlsFeeder);
});
process.on('SIGINT', () => {});
process.on('disconnect', () => process.exit());
