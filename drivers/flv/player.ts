/** Plays one HTTP-FLV stream into a sink: chunked, of known length, or until the connection ends. */
import { FlvReader } from '../../protocols/flv/reader.ts';
import {
  encodeRequest,
  type ResponseHead,
  ResponseReader,
  type ResponseSink,
} from '../../protocols/http1/response-reader.ts';
import type { MediaSink } from '../../protocols/media.ts';
import { type ClientObserver, type ClientOptions, ClientState, CloseReason, type Player } from '../client.ts';
import { ConnectedClient, type Target } from '../connection.ts';
import { parseHttpUrl, REDIRECT_STATUSES, targetOf } from '../http/url.ts';
import { MediaInlet } from '../inlet.ts';

/** What the body of the answer is pushed into. */
export interface BodyReader {
  push(bytes: Uint8Array, start: number, end: number, now: number): void;
}

export class FlvPlayer extends ConnectedClient implements Player, ResponseSink {
  readonly sink: MediaSink;
  private readonly inlet: MediaInlet;
  private response = new ResponseReader(this);
  private body: BodyReader;
  private request: Uint8Array | undefined = undefined;

  constructor(url: string, sink: MediaSink, options?: ClientOptions, observer?: ClientObserver) {
    super(url, options, observer);
    this.sink = sink;
    this.inlet = new MediaInlet(sink, this.timing);
    this.body = this.readerOf(this.inlet);
  }

  /** Called from the constructor of this class, too. */
  protected readerOf(inlet: MediaInlet): BodyReader {
    return new FlvReader(inlet);
  }

  pause(): void {
    this.socket?.pause();
  }

  resume(): void {
    this.socket?.resume();
  }

  protected override prepare(location: string): Target {
    const url = parseHttpUrl(location);
    this.request = encodeRequest({
      method: 'GET',
      path: url.pathname + url.search,
      host: url.host,
      headers: { 'User-Agent': 'liveproof', Accept: '*/*', Connection: 'close' },
    });
    return targetOf(url);
  }

  protected override connected(): void {
    this.enter(ClientState.handshaking);
    if (this.state !== ClientState.handshaking) return;
    this.write(this.request!);
    this.request = undefined;
    this.timing.handshake = this.now;
    this.timing.connect = this.now;
    this.enter(ClientState.requesting);
  }

  protected override received(bytes: Uint8Array, end: number): void {
    this.response.push(bytes, 0, end);
  }

  protected override ended(): void {
    if (this.state === ClientState.streaming) this.response.eof();
    super.ended();
  }

  onHead(head: ResponseHead): void {
    const location = head.headers.get('location');
    if (REDIRECT_STATUSES.has(head.status) && location !== undefined) {
      this.redirected(location);
    } else if (head.status !== 200) {
      this.fail(
        CloseReason.rejected,
        `http.${head.status}`,
        `the server answered ${head.status} ${head.reason}`,
      );
    } else {
      this.timing.play = this.now;
      this.enter(ClientState.streaming);
    }
  }

  private redirected(location: string): void {
    if (!URL.canParse(location, this.location)) {
      this.fail(
        CloseReason.redirect,
        'redirect.location',
        `Location ${JSON.stringify(location)} is not a URL`,
      );
      return;
    }
    this.response = new ResponseReader(this);
    this.body = this.readerOf(this.inlet);
    this.follow(new URL(location, this.location).href);
  }

  onBody(bytes: Uint8Array, start: number, end: number): void {
    if (this.state === ClientState.streaming) this.body.push(bytes, start, end, this.now);
  }

  onEnd(): void {
    if (this.state !== ClientState.streaming) return;
    this.fail(CloseReason.remote, 'eof.streaming', 'the response is complete');
  }
}
