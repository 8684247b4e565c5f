/** Answers requests for playlists and segments with the headers of SRS 7.0.18 (facts/srs.md 6.3, 6.4). */
import type { Socket } from 'node:net';
import { writeMasterPlaylist } from '../../../protocols/hls/write.ts';
import { SERVER_NAME } from '../constants.ts';
import { corsFields } from '../cors.ts';
import type { RequestHead } from '../http-head.ts';
import type { MediaNode } from '../node.ts';
import type { HlsOutputs } from './outputs.ts';
import { SESSION_QUERY } from './sessions.ts';

const CONTENT_TYPE = { playlist: 'application/vnd.apple.mpegurl', segment: 'video/MP2T' } as const;
const NOT_FOUND = Buffer.from('Not Found');

interface Answer {
  readonly status: string;
  readonly type?: string;
  readonly body: Uint8Array;
}

/** Returns false, and answers nothing, when the request is none for HLS. */
export function serveHls(node: MediaNode, outputs: HlsOutputs, socket: Socket, head: RequestHead): boolean {
  const [path = '', query = ''] = head.target.split('?', 2);
  const isPlaylist = path.endsWith('.m3u8');
  if (!isPlaylist && !path.endsWith('.ts')) return false;
  let answer: Answer;
  if (head.method === 'OPTIONS') answer = { status: '200 OK', body: Buffer.alloc(0) };
  else if (head.method !== 'GET' && head.method !== 'HEAD') return false;
  else {
    const parameters = new URLSearchParams(query);
    const file = outputs.file(path);
    const body = file && (isPlaylist ? playlist(node, socket, head, path, parameters, file) : file);
    answer = body
      ? { status: '200 OK', type: isPlaylist ? CONTENT_TYPE.playlist : CONTENT_TYPE.segment, body }
      : { status: '404 Not Found', type: 'text/plain; charset=utf-8', body: NOT_FOUND };
    const session = node.hlsSessions?.get(parameters.get(SESSION_QUERY) ?? '');
    if (session) session.bytesWritten += answer.body.length;
  }
  write(node, socket, head, answer);
  return true;
}

/** With sessions: the master playlist to who has none, the media playlist with the session in its URIs to who has. */
function playlist(
  node: MediaNode,
  socket: Socket,
  head: RequestHead,
  path: string,
  parameters: URLSearchParams,
  file: Uint8Array,
): Uint8Array | undefined {
  const sessions = node.hlsSessions;
  if (!sessions) return file;
  const asked = parameters.get(SESSION_QUERY) ?? '';
  const session = sessions.get(asked);
  if (session) {
    if (session.kicked) return undefined;
    sessions.touch(session);
    return Buffer.from(Buffer.from(file).toString().replaceAll('.ts\n', `.ts?${SESSION_QUERY}=${asked}\n`));
  }
  const host = (head.field('host') ?? socket.localAddress ?? '').replace(/:\d+$/, '');
  const id = sessions.open(asked, path, host, socket.remoteAddress ?? '');
  if (id === undefined) return undefined;
  parameters.delete(SESSION_QUERY);
  const rest = parameters.size > 0 ? `&${parameters}` : '';
  const variants = [{ uri: `${path}?${SESSION_QUERY}=${id}${rest}`, bandwidth: 1, averageBandwidth: 1 }];
  return Buffer.from(writeMasterPlaylist({ variants }));
}

function write(node: MediaNode, socket: Socket, head: RequestHead, { status, type, body }: Answer): void {
  const cors = node.mutants.has('hls-no-cors') ? '' : corsFields(head);
  const shown = type && (node.mutants.has('hls-wrong-content-type') ? 'text/plain' : type);
  const lines =
    `HTTP/1.1 ${status}\r\nConnection: ${head.keepAlive ? 'Keep-Alive' : 'Close'}\r\n${cors}` +
    `Content-Length: ${body.length}\r\n${shown ? `Content-Type: ${shown}\r\n` : ''}Server: ${SERVER_NAME}\r\n\r\n`;
  socket.cork();
  socket.write(lines, 'latin1');
  if (head.method !== 'HEAD' && body.length > 0) socket.write(body);
  socket.uncork();
}
