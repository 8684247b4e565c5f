/** The HTTP port of the proxy: HTTP-FLV, HTTP-TS and HLS of the origin that has the stream, and static files. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { API_VERSION } from '../constants.ts';
import { requestWithin } from '../request-limit.ts';
import type { ProxyContext, ProxyPart } from './context.ts';
import { linkPlaylist, readLink } from './hls-links.ts';
import { answerError, answerJson, listen } from './http-answer.ts';
import { forward } from './http-forward.ts';
import { type Backend, Refusal, RefusalCode, streamUrlOf } from './load-balancer.ts';
import { StaticFiles } from './static-files.ts';

/** SRS serves these of a live stream (http_remux, hls). */
const STREAMS = /\.(flv|ts|m3u8|m4s|mp3|aac)$/;
/** SRS's own names of segments, `[stream]-[seq].ts`: for players, or caches before them, that lose the query. */
const SEGMENT = /^(.+)-\d+(\.(?:ts|m4s))$/;
const MAX_PLAYLIST = 1024 * 1024;

interface Wanted {
  readonly streamUrl: string;
  /** For the origin. */
  readonly target: string;
  /** `live` never ends by itself, and begins when the stream does. */
  readonly kind: 'live' | 'playlist' | 'segment';
}

export class HttpServer implements ProxyPart {
  readonly #context: ProxyContext;
  readonly #server: Server;
  #files: StaticFiles | undefined;

  constructor(context: ProxyContext) {
    this.#context = context;
    this.#server = createServer(requestWithin(context.timeouts.httpRequest), (request, response) => {
      this.#serve(request, response).catch((error: unknown) => this.#refuse(response, error));
    });
    this.#server.on('connection', (socket) => {
      const gone = context.metrics.connected('http');
      socket.on('close', gone);
    });
    this.#server.on('clientError', (_error, socket) => socket.destroy());
  }

  async start(): Promise<void> {
    const { http, staticFiles } = this.#context.environment;
    this.#files = await StaticFiles.open(staticFiles);
    await listen(this.#server, http);
  }

  drop(): void {
    this.#server.closeAllConnections();
  }

  close(): void {
    this.#server.close();
    this.#server.closeAllConnections();
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const target = request.url ?? '/';
    const path = target.split('?', 1)[0]!;
    if (path === '/api/v1/versions') {
      answerJson(response, 200, { code: 0, pid: String(process.pid), data: API_VERSION });
      return;
    }
    const wanted = await this.#wanted(request, path, target);
    if (wanted) await this.#pass(request, response, wanted);
    else if (!(await this.#files?.serve(request, response, path))) {
      answerError(response, 404, 'proxy.not-found', 'neither a stream nor a file');
    }
  }

  async #wanted(request: IncomingMessage, path: string, target: string): Promise<Wanted | undefined> {
    const kind = path.endsWith('.m3u8') ? 'playlist' : 'segment';
    const link = readLink(target);
    if (link) return { ...link, kind };
    const slash = path.lastIndexOf('/');
    if (!STREAMS.test(path) || slash < 1) return undefined;
    const file = path.slice(slash + 1);
    const named = (stream: string): string | undefined => streamUrlOf(namesOf(request, path, stream));
    const segment = SEGMENT.exec(file);
    const ofSegment = segment ? named(`${segment[1]}${segment[2]}`) : undefined;
    const ofFile = named(file);
    if (ofSegment && (await this.#isSegment(file, ofSegment, ofFile))) {
      return { streamUrl: ofSegment, target, kind: 'segment' };
    }
    if (!ofFile) return undefined;
    return { streamUrl: ofFile, target, kind: kind === 'playlist' ? kind : 'live' };
  }

  /** `cam-1.ts` may be the stream cam-1 over HTTP-TS, or a segment of cam: it is what is known to be there. */
  async #isSegment(file: string, ofSegment: string, ofFile: string | undefined): Promise<boolean> {
    if (file.endsWith('.m4s')) return true;
    const { balancer } = this.#context;
    return (
      (await balancer.peek(ofSegment)) !== undefined &&
      (!ofFile || (await balancer.peek(ofFile)) === undefined)
    );
  }

  async #pass(request: IncomingMessage, response: ServerResponse, wanted: Wanted): Promise<void> {
    const { balancer, deadOrigins, timeouts, mutants } = this.#context;
    const { streamUrl, target, kind } = wanted;
    let backend = await balancer.pick(streamUrl, { protocol: 'http' });
    if (kind === 'segment' && mutants.has('proxy-segment-elsewhere')) backend = await this.#another(backend);
    if (!backend.http) throw new Refusal(RefusalCode.NoEndpoint, `origin ${backend.id} has no HTTP streams`);
    if (response.destroyed) return;
    const release = balancer.hold(streamUrl, backend);
    // Before the head there is a bound of its own; what goes on for ever ends with its origin.
    const unwatch = deadOrigins.watch(backend, () => response.destroy());
    forward(this.#context, request, response, {
      endpoint: backend.http,
      target: mutants.has('proxy-drops-query') ? target.split('?', 1)[0]! : target,
      ...(kind === 'live' ? {} : { answerMs: timeouts.answer }),
      ...(kind === 'playlist'
        ? { rewrite: { maxBytes: MAX_PLAYLIST, body: (text) => linkPlaylist(text, streamUrl) } }
        : {}),
      onEnd: () => {
        unwatch();
        release();
      },
    });
  }

  async #another(backend: Backend): Promise<Backend> {
    const backends = await this.#context.balancer.backends();
    const index = backends.findIndex(({ id }) => id === backend.id);
    return backends[(index + 1) % backends.length] ?? backend;
  }

  #refuse(response: ServerResponse, error: unknown): void {
    const refusal = error instanceof Refusal ? error : undefined;
    this.#context.metrics.error('http', refusal?.code ?? 'internal');
    if (!refusal) this.#context.log(`http: ${String(error)}`);
    if (response.headersSent) response.destroy();
    else if (refusal) answerError(response, 503, refusal.code, refusal.message);
    else answerError(response, 500, 'proxy.internal', 'the request could not be served');
  }
}

function namesOf(request: IncomingMessage, path: string, stream: string): Parameters<typeof streamUrlOf>[0] {
  const query = new URLSearchParams((request.url ?? '').split('?', 2)[1] ?? '');
  const vhost = query.get('vhost') ?? undefined;
  return {
    host: (request.headers.host ?? '').replace(/:\d+$/, ''),
    ...(vhost === undefined ? {} : { vhost }),
    app: path.slice(1, path.lastIndexOf('/')),
    stream,
  };
}
