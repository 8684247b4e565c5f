/** What the tests of HLS share: playlists of a node, its segments, and publishers that send at once. */
import assert from 'node:assert/strict';
import { parsePlaylist } from '../../../protocols/hls/parse.ts';
import type { MediaPlaylist } from '../../../protocols/hls/playlist.ts';
import { AUDIO_HEADER, type RtmpPeer } from './support.ts';

/** Where a node serves HTTP: of TestNode, or of a node in this process. */
interface Served {
  readonly http: string;
}

/** Undefined while there is none. */
export async function playlistOf(node: Served, stream: string): Promise<MediaPlaylist | undefined> {
  const answer = await fetch(`${node.http}/live/${stream}.m3u8`);
  const text = await answer.text();
  if (answer.status !== 200) return undefined;
  const playlist = parsePlaylist(text);
  assert.equal(playlist.kind, 'media');
  return playlist as MediaPlaylist;
}

export function segmentsOf(node: Served, playlist: MediaPlaylist): Promise<Buffer[]> {
  return Promise.all(
    playlist.segments.map(async ({ uri }) => {
      const answer = await fetch(`${node.http}/live/${uri}`);
      assert.equal(answer.status, 200, uri);
      return Buffer.from(await answer.arrayBuffer());
    }),
  );
}

/** An AVC sequence header whose parameter sets can be read; of another level on request. */
export function avcHeader(level = 0x1e): Uint8Array {
  const sps = [0x67, 0x42, 0xc0, level, 0xd9, 0x00, 0xa0, 0x2f, 0xf9, 0x70];
  const pps = [0x68, 0xce, 0x3c, 0x80];
  const config = [1, 0x42, 0xc0, level, 0xff, 0xe1, 0, sps.length, ...sps, 1, 0, pps.length, ...pps];
  return Uint8Array.of(0x17, 0, 0, 0, 0, ...config);
}

/** An AVC body of one slice, whose payload tells its timestamp and is no start code anywhere. */
export function avcBody(timestamp: number, keyframe: boolean, size = 400): Uint8Array {
  const body = new Uint8Array(9 + size).fill(0x80 | (timestamp & 0x7f));
  body.set([keyframe ? 0x17 : 0x27, 1, 0, 0, 0, 0, 0, size >> 8, size & 0xff, keyframe ? 0x65 : 0x41]);
  return body;
}

export function sendHeaders(publisher: RtmpPeer): void {
  publisher.send(6, 9, 1, 0, avcHeader());
  publisher.send(4, 8, 1, 0, AUDIO_HEADER);
}

export function sendVideo(publisher: RtmpPeer, timestamp: number, keyframe: boolean): void {
  publisher.send(6, 9, 1, timestamp, avcBody(timestamp, keyframe));
}

export interface Gops {
  /** Timestamp of the first frame. */
  readonly from?: number;
  readonly headers?: boolean;
}

/** GOPs of 1 s: 25 video frames and an audio frame beside each. */
export function sendGops(publisher: RtmpPeer, count: number, { from = 0, headers = true }: Gops = {}): void {
  if (headers) sendHeaders(publisher);
  for (let frame = 0; frame < count * 25; frame++) {
    sendVideo(publisher, from + frame * 40, frame % 25 === 0);
    publisher.audio(from + frame * 40);
  }
}
