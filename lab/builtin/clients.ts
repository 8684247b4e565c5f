/** Who is connected to a node, as its HTTP API tells it (facts/srs.md 3.3). */

export type ClientType =
  | 'rtmp-play'
  | 'flv-play'
  | 'hls-play'
  | 'srt-play'
  | 'rtc-play'
  | 'fmle-publish'
  | 'flash-publish'
  | 'srt-publish'
  | 'rtc-publish';

/** A socket, an SRT caller, a WebRTC session, or what stands for all requests of an HLS session. */
export interface ClientConnection {
  readonly bytesRead: number;
  readonly bytesWritten: number;
  destroy(): void;
}

export interface ClientRecord {
  readonly id: string;
  readonly type: ClientType;
  readonly ip: string;
  readonly tcUrl: string;
  /** Of the stream: `/live/livestream`. */
  readonly url: string;
  /** As asked for: for HTTP-FLV with its extension. */
  readonly name: string;
  readonly publish: boolean;
  readonly since: number;
  readonly socket: ClientConnection;
}

const ID_CHARACTERS = '0123456789abcdefghijklmnopqrstuvwxyz';

/** Like SRS's: eight characters of digits and lower-case letters. */
export function randomId(): string {
  let id = '';
  for (let i = 0; i < 8; i++) id += ID_CHARACTERS[Math.floor(Math.random() * ID_CHARACTERS.length)];
  return id;
}
