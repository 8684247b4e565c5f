/** A server of the test's own, segments with stamps, and all that a player says of itself. */
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { TestContext } from 'node:test';
import type { Client, ClientOptions, Closed, HttpExchange } from '../../../drivers/client.ts';
import { HlsPlayer } from '../../../drivers/hls/player.ts';
import { FrameMeter, MeterHistograms } from '../../../drivers/measure/meter.ts';
import { MediaSource } from '../../../drivers/measure/source.ts';
import type { Playlist } from '../../../protocols/hls/playlist.ts';
import { SegmentMaker } from '../../../scenarios/benchmark/hls-segments.ts';
import { Witness, within } from '../support/observe.ts';

export const FRAMES_PER_SEGMENT = 25;

const source = MediaSource.load('fixtures/media/av-480k.flv');

/** Segments of one second that follow each other, stamped frames from 0 on. */
export function makeSegments(count: number): Buffer[] {
  const maker = new SegmentMaker(source, 7);
  return Array.from({ length: count }, (_, index) => {
    maker.write((index + 1) * 1000, Date.now());
    return maker.cut();
  });
}

export type Handler = (request: IncomingMessage, response: ServerResponse) => void;

export interface TestServer {
  readonly url: string;
  /** Paths with queries, in the order in which they were asked for. */
  readonly requests: string[];
  readonly connections: number;
  /** By path, without the query. What is not here is answered with 404. */
  readonly routes: Map<string, Handler>;
  body(path: string, body: string | Uint8Array): void;
}

export async function serve(t: TestContext): Promise<TestServer> {
  const routes = new Map<string, Handler>();
  const requests: string[] = [];
  let connections = 0;
  const server = createServer((request, response) => {
    requests.push(request.url ?? '');
    const handler = routes.get((request.url ?? '').split('?')[0]!);
    if (handler !== undefined) handler(request, response);
    else response.writeHead(404, { 'Content-Length': 0 }).end();
  });
  server.on('connection', () => connections++);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(async () => {
    server.closeAllConnections();
    server.close();
    await once(server, 'close');
  });
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  return {
    url: `http://127.0.0.1:${address.port}`,
    requests,
    routes,
    get connections() {
      return connections;
    },
    body(path, body) {
      routes.set(path, (_request, response) => {
        response.writeHead(200, { 'Content-Length': Buffer.byteLength(body) }).end(body);
      });
    },
  };
}

/** A media playlist of `<prefix><sequence>.ts`, one second each. */
export function playlist(
  first: number,
  count: number,
  options: { end?: boolean; prefix?: string } = {},
): string {
  const lines = ['#EXTM3U', '#EXT-X-VERSION:3', '#EXT-X-TARGETDURATION:1', `#EXT-X-MEDIA-SEQUENCE:${first}`];
  for (let at = first; at < first + count; at++)
    lines.push('#EXTINF:1.000,', `${options.prefix ?? ''}${at}.ts`);
  if (options.end !== false) lines.push('#EXT-X-ENDLIST');
  return `${lines.join('\n')}\n`;
}

/** `/live/x.m3u8` of so many segments with an end, and the segments. */
export function serveStream(server: TestServer, count: number): Buffer[] {
  const segments = makeSegments(count);
  for (const [index, segment] of segments.entries()) server.body(`/live/${index}.ts`, segment);
  server.body('/live/x.m3u8', playlist(0, count));
  return segments;
}

export class Watched extends Witness {
  readonly exchanges: HttpExchange[] = [];
  readonly playlists: Playlist[] = [];
  readonly problems: string[] = [];
  readonly details: string[] = [];
  readonly meter = new FrameMeter(new MeterHistograms());
  readonly player: HlsPlayer;
  readonly #waiting: { code: string; resolve: () => void }[] = [];

  constructor(t: TestContext, url: string, options: ClientOptions = {}) {
    super();
    this.player = new HlsPlayer(url, this.meter, options, this);
    this.meter.attach(this.player.timing);
    t.after(() => this.player.close());
    this.player.open();
  }

  onExchange(_client: Client, exchange: HttpExchange): void {
    this.exchanges.push(exchange);
  }

  onPlaylist(_client: Client, of: Playlist): void {
    this.playlists.push(of);
  }

  onProblem(_client: Client, code: string, detail: string): void {
    this.problems.push(code);
    this.details.push(detail);
    for (const { code: wanted, resolve } of this.#waiting) if (wanted === code) resolve();
  }

  async problem(code: string, ms = 5000): Promise<void> {
    if (this.problems.includes(code)) return;
    const seen = new Promise<void>((resolve) => this.#waiting.push({ code, resolve }));
    await within(ms, `${code}; seen ${this.problems.join(', ')}`, seen);
  }

  /** `[reason, code]` of the end. */
  async end(ms = 5000): Promise<[Closed['reason'], string]> {
    const { reason, code } = await this.closed(ms);
    return [reason, code];
  }

  get frames(): {
    received: number;
    missing: number;
    duplicated: number;
    corrupt: number;
    unstamped: number;
  } {
    const { received, corrupt, unstamped, continuity } = this.meter;
    return {
      received,
      missing: continuity.missing,
      duplicated: continuity.duplicated,
      corrupt,
      unstamped,
    };
  }
}

export function whole(segments: number): Watched['frames'] {
  return { received: segments * FRAMES_PER_SEGMENT, missing: 0, duplicated: 0, corrupt: 0, unstamped: 0 };
}

/** A stream was played to EXT-X-ENDLIST. */
export const PLAYED = ['remote', 'eof.streaming'];
