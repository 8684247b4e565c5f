/** The client for a URL, by its scheme. */
import { ProtocolError, ProtocolErrorCode } from '../protocols/errors.ts';
import type { MediaSink } from '../protocols/media.ts';
import type { ClientObserver, ClientOptions, Player, Publisher, WebRtcOptions } from './client.ts';
import { FlvPlayer } from './flv/player.ts';
import { HlsPlayer } from './hls/player.ts';
import { HttpTsPlayer } from './http-ts/player.ts';
import { RtmpPlayer } from './rtmp/player.ts';
import { RtmpPublisher } from './rtmp/publisher.ts';
import { SrtPlayer } from './srt/player.ts';
import { SrtPublisher } from './srt/publisher.ts';
import { parseSrtUrl } from './srt/url.ts';
import type { OpenTransport } from './webrtc/contract.ts';
import { openDatachannel } from './webrtc/datachannel/transport.ts';
import { signallingUrl } from './webrtc/endpoint.ts';
import { liteTransport, openLite } from './webrtc/lite/transport.ts';
import { WhepPlayer } from './webrtc/player.ts';
import { WhipPublisher } from './webrtc/publisher.ts';

function playerTransport({ transport = 'datachannel', sample }: WebRtcOptions = {}): OpenTransport {
  if (transport === 'datachannel') return openDatachannel;
  return sample === undefined ? openLite : liteTransport({ sample });
}

/**
 * `rtmp://host[:port]/app/stream`, `http(s)://host[:port]/app/stream.flv`, `….ts` or `….m3u8`, `srt://host:port?streamid=…`,
 * `whep(s)://host[:port]/path`. Nothing happens before `open()`.
 * @throws ProtocolError Url for any other scheme, for http without `.flv`, `.ts` or `.m3u8`, and for what cannot be read.
 */
export function createPlayer(
  url: string,
  sink: MediaSink,
  options?: ClientOptions,
  observer?: ClientObserver,
): Player {
  if (/^rtmp:\/\//i.test(url)) return new RtmpPlayer(url, sink, options, observer);
  if (/^https?:\/\/[^?#]*\.flv(?:[?#]|$)/i.test(url)) return new FlvPlayer(url, sink, options, observer);
  if (/^https?:\/\/[^?#]*\.ts(?:[?#]|$)/i.test(url)) return new HttpTsPlayer(url, sink, options, observer);
  if (isHlsUrl(url)) return new HlsPlayer(url, sink, options, observer);
  if (isSrtUrl(url)) {
    parseSrtUrl(url, 'request');
    return new SrtPlayer(url, sink, options, observer);
  }
  if (isWhepUrl(url)) {
    signallingUrl(url, 'whep');
    return new WhepPlayer(url, sink, options, observer, playerTransport(options?.webrtc));
  }
  throw new ProtocolError(
    ProtocolErrorCode.Url,
    'rtmp://…, http(s)://….flv, http(s)://….ts, http(s)://….m3u8, srt://… or whep(s)://… to play',
    JSON.stringify(url),
  );
}

/** Played by HlsPlayer. */
export function isHlsUrl(url: string): boolean {
  return /^https?:\/\/[^?#]*\.m3u8(?:[?#]|$)/i.test(url);
}

/** Played by SrtPlayer, published by SrtPublisher. */
export function isSrtUrl(url: string): boolean {
  return /^srt:\/\//i.test(url);
}

/** Played by WhepPlayer. */
export function isWhepUrl(url: string): boolean {
  return /^wheps?:\/\//i.test(url);
}

/** WHEP or WHIP. */
export function isWebRtcUrl(url: string): boolean {
  return /^wh[ei]ps?:\/\//i.test(url);
}

/**
 * `rtmp://host[:port]/app/stream`, `srt://host:port?streamid=…` or `whip(s)://host[:port]/path`.
 * @throws ProtocolError Url for any other scheme, and for what cannot be read.
 */
export function createPublisher(url: string, options?: ClientOptions, observer?: ClientObserver): Publisher {
  if (/^rtmp:\/\//i.test(url)) return new RtmpPublisher(url, options, observer);
  if (isSrtUrl(url)) {
    parseSrtUrl(url, 'publish');
    return new SrtPublisher(url, options, observer);
  }
  if (/^whips?:\/\//i.test(url)) {
    signallingUrl(url, 'whip');
    return new WhipPublisher(url, options, observer);
  }
  throw new ProtocolError(
    ProtocolErrorCode.Url,
    'rtmp://…, srt://… or whip(s)://… to publish',
    JSON.stringify(url),
  );
}
