/** SRT URLs: `srt://host:port?streamid=…&latency=…`, with the parameter names of libsrt's tools and FFmpeg. */
import { ProtocolError, ProtocolErrorCode } from '../../protocols/errors.ts';
import { MAX_STREAM_ID } from '../../protocols/srt/handshake.ts';
import { type KeyBytes, MAX_PASSPHRASE, MIN_PASSPHRASE } from '../../protocols/srt/key-material.ts';

export interface SrtUrl {
  /** Name or address; an IPv6 address without its brackets. */
  readonly host: string;
  readonly port: number;
  /** As sent; empty when the URL names none. */
  readonly streamId: string;
  /** In ms; undefined: the default. */
  readonly latencyMs: number | undefined;
  readonly passphrase: string | undefined;
  /** In bytes. */
  readonly keyBytes: KeyBytes | undefined;
  /** In ms. */
  readonly connectTimeoutMs: number | undefined;
  readonly peerIdleTimeoutMs: number | undefined;
}

/** What a client wants of a stream, where the stream id says it in SRS's form (facts/srs.md 8). */
export type SrtMode = 'request' | 'publish';

/**
 * The stream id `#!::r=live/x,m=request` is written with `%23` for its hash; a bare `#` is understood as well. A stream
 * id in that form without `m=` gets the mode of the client; any other stream id is sent as it is. Without `streamid` a
 * path `/live/x` becomes `#!::r=live/x,m=…`.
 * @throws ProtocolError Url
 */
export function parseSrtUrl(url: string, mode: SrtMode): SrtUrl {
  const match = /^srt:\/\/(\[[0-9a-f:.]+\]|[^/:?#[\]@\s]+):(\d{1,5})(\/[^?#\s]*)?(?:\?(\S*))?$/i.exec(url);
  if (match === null) throw wrong('srt://host:port[/app/stream][?streamid=…&latency=…]', url);
  const [, authority = '', portText = '', path = '/', query = ''] = match;
  const port = Number(portText);
  if (port < 1 || port > 65535) throw wrong('a port from 1 to 65535', portText);
  const parameters = readQuery(query);
  const passphrase = parameters.get('passphrase');
  if (passphrase !== undefined) checkPassphrase(passphrase);
  const named = parameters.get('streamid') ?? (path.length > 1 ? `#!::r=${path.slice(1)}` : '');
  const streamId = withMode(named, mode);
  if (new TextEncoder().encode(streamId).length > MAX_STREAM_ID) {
    throw wrong(`a stream id of at most ${MAX_STREAM_ID} bytes`, streamId);
  }
  return {
    host: authority.startsWith('[') ? authority.slice(1, -1) : authority,
    port,
    streamId,
    latencyMs: milliseconds(parameters, 'latency') ?? milliseconds(parameters, 'rcvlatency'),
    passphrase,
    keyBytes: keyBytes(parameters.get('pbkeylen')),
    connectTimeoutMs: milliseconds(parameters, 'conntimeo'),
    peerIdleTimeoutMs: milliseconds(parameters, 'peeridletimeo'),
  };
}

/** `+` stands for itself, and a stream id may hold `=`, `#`, `:` and `,`. */
function readQuery(query: string): Map<string, string> {
  const found = new Map<string, string>();
  for (const pair of query.split('&')) {
    const equals = pair.indexOf('=');
    if (equals <= 0) continue;
    try {
      found.set(pair.slice(0, equals).toLowerCase(), decodeURIComponent(pair.slice(equals + 1)));
    } catch {
      throw wrong('percent-encoded UTF-8', pair);
    }
  }
  return found;
}

function withMode(streamId: string, mode: SrtMode): string {
  if (!streamId.startsWith('#!::')) return streamId;
  const named = streamId.slice(4).split(',');
  return named.some((pair) => pair.startsWith('m=')) ? streamId : `${streamId},m=${mode}`;
}

function milliseconds(parameters: Map<string, string>, name: string): number | undefined {
  const text = parameters.get(name);
  if (text === undefined) return undefined;
  if (!/^\d{1,5}$/.test(text)) throw wrong(`${name} in ms, from 0 to 65535`, text);
  return Math.min(Number(text), 65535);
}

function keyBytes(text: string | undefined): KeyBytes | undefined {
  switch (text) {
    case undefined:
    case '0':
      return undefined;
    case '16':
      return 16;
    case '24':
      return 24;
    case '32':
      return 32;
    default:
      throw wrong('pbkeylen of 16, 24 or 32', text);
  }
}

function checkPassphrase(passphrase: string): void {
  const { length } = new TextEncoder().encode(passphrase);
  if (length < MIN_PASSPHRASE || length > MAX_PASSPHRASE) {
    throw wrong(`a passphrase of ${MIN_PASSPHRASE} to ${MAX_PASSPHRASE} bytes`, `${length} bytes`);
  }
}

function wrong(expected: string, actual: string): ProtocolError {
  return new ProtocolError(ProtocolErrorCode.Url, expected, JSON.stringify(actual));
}
