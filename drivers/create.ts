/** The client for a URL, by its scheme. */
import { ProtocolError, ProtocolErrorCode } from '../protocols/errors.ts';
import type { MediaSink } from '../protocols/media.ts';
import type { ClientObserver, ClientOptions, Player, Publisher } from './client.ts';
import { FlvPlayer } from './flv/player.ts';
import { HlsPlayer } from './hls/player.ts';
import { RtmpPlayer } from './rtmp/player.ts';
import { RtmpPublisher } from './rtmp/publisher.ts';

/**
 * `rtmp://host[:port]/app/stream`, `http(s)://host[:port]/app/stream.flv` or `….m3u8`. Nothing happens before `open()`.
 * @throws ProtocolError Url for any other scheme, and for http without `.flv` or `.m3u8`.
 */
export function createPlayer(
  url: string,
  sink: MediaSink,
  options?: ClientOptions,
  observer?: ClientObserver,
): Player {
  if (/^rtmp:\/\//i.test(url)) return new RtmpPlayer(url, sink, options, observer);
  if (/^https?:\/\/[^?#]*\.flv(?:[?#]|$)/i.test(url)) return new FlvPlayer(url, sink, options, observer);
  if (isHlsUrl(url)) return new HlsPlayer(url, sink, options, observer);
  throw new ProtocolError(
    ProtocolErrorCode.Url,
    'rtmp://…, http(s)://….flv or http(s)://….m3u8 to play',
    JSON.stringify(url),
  );
}

/** Played by HlsPlayer. */
export function isHlsUrl(url: string): boolean {
  return /^https?:\/\/[^?#]*\.m3u8(?:[?#]|$)/i.test(url);
}

/**
 * `rtmp://host[:port]/app/stream`.
 * @throws ProtocolError Url for any other scheme.
 */
export function createPublisher(url: string, options?: ClientOptions, observer?: ClientObserver): Publisher {
  if (/^rtmp:\/\//i.test(url)) return new RtmpPublisher(url, options, observer);
  throw new ProtocolError(ProtocolErrorCode.Url, 'rtmp://… to publish', JSON.stringify(url));
}
