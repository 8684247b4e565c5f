/** Fetches one playlist, whole and bounded, and parses it. */
import { ProtocolError, ProtocolErrorCode } from '../../protocols/errors.ts';
import { parsePlaylist } from '../../protocols/hls/parse.ts';
import type { Playlist } from '../../protocols/hls/playlist.ts';
import type { ResponseHead } from '../../protocols/http1/response-reader.ts';
import type { HttpExchange } from '../client.ts';
import type { HttpFailure } from '../http/connection.ts';
import { Fetch, type FetchContext, type FetchRequest } from './fetch.ts';

/** A playlist of a day of 2 s segments is 2 MB; that of a live stream is below 10 kB. */
export const MAX_PLAYLIST_BYTES = 2 ** 20;

/** The byte order mark is left in: whether it may be there is for the parser to say. */
const UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

const NOTHING = new Uint8Array(0);

/** `base`: what relative URIs in it are relative to (RFC 3986 section 5.1.3: where it really came from). */
export type OnPlaylist = (
  playlist: Playlist | undefined,
  base: URL,
  exchange: HttpExchange,
  failure: HttpFailure | undefined,
) => void;

export class PlaylistFetch extends Fetch {
  readonly #limit: number;
  readonly #onDone: OnPlaylist;
  #bytes = NOTHING;
  #length = 0;
  #playlist: Playlist | undefined;
  /** Of the latest playlist that came whole. */
  text = '';

  constructor(context: FetchContext, limit: number, onDone: OnPlaylist) {
    super('playlist', context);
    this.#limit = limit;
    this.#onDone = onDone;
  }

  load(request: FetchRequest): void {
    this.#bytes = NOTHING;
    this.#length = 0;
    this.#playlist = undefined;
    this.start(request);
  }

  protected override accepts(head: ResponseHead): boolean {
    const length = Number(head.headers.get('content-length') ?? 0);
    if (head.status === 200 && length > this.#limit) throw tooLarge(this.#limit, length);
    return head.status === 200;
  }

  protected override body(bytes: Uint8Array, start: number, end: number): void {
    const length = this.#length + end - start;
    if (length > this.#limit) throw tooLarge(this.#limit, length);
    if (length > this.#bytes.length) {
      // Nearly every playlist comes in one read, and then this is its size.
      const larger = new Uint8Array(this.#length === 0 ? length : Math.min(this.#limit, 2 * length));
      larger.set(this.#bytes.subarray(0, this.#length));
      this.#bytes = larger;
    }
    this.#bytes.set(bytes.subarray(start, end), this.#length);
    this.#length = length;
  }

  protected override complete(): void {
    this.text = decode(this.#bytes.subarray(0, this.#length));
    this.#playlist = parsePlaylist(this.text, { maxLength: this.#limit });
  }

  protected override done(exchange: HttpExchange, failure: HttpFailure | undefined): void {
    this.#bytes = NOTHING;
    const playlist = this.#playlist;
    this.#playlist = undefined;
    this.#onDone(playlist, this.location!, exchange, failure);
  }
}

function decode(bytes: Uint8Array): string {
  try {
    return UTF8.decode(bytes);
  } catch {
    throw new ProtocolError(ProtocolErrorCode.HlsSignature, 'lines of UTF-8', 'bytes that are not UTF-8');
  }
}

function tooLarge(limit: number, length: number): ProtocolError {
  return new ProtocolError(
    ProtocolErrorCode.HlsSize,
    `at most ${limit} bytes of playlist`,
    `${length} or more`,
  );
}
