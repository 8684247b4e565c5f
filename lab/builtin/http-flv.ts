/** HTTP-FLV and HTTP-TS: one GET, then the stream in chunks until somebody leaves (facts/srs.md 7.1). */
import type { Socket } from 'node:net';
import { type ClientRecord, randomId } from './clients.ts';
import { SERVER_NAME } from './constants.ts';
import { corsFields } from './cors.ts';
import type { RequestHead } from './http-head.ts';
import type { MediaNode } from './node.ts';
import { DEFAULT_VHOST, requestUrl } from './request-url.ts';
import type { Stream } from './stream.ts';
import type { StreamName } from './stream-name.ts';

/** As SRS has them (srs_app_http_stream.cpp); SRS calls a player of either `flv-play`. */
const CONTENT_TYPES = { flv: 'video/x-flv', ts: 'video/MP2T' } as const;

/**
 * Answers nothing until there is media: a player of a missing stream waits in silence, as at SRS. What the player
 * sends after its request is thrown away.
 */
export function playLive(
  node: MediaNode,
  socket: Socket,
  protocol: keyof typeof CONTENT_TYPES,
  name: StreamName,
  head: RequestHead,
): void {
  const stream = node.stream(name.url);
  const client: ClientRecord = {
    id: randomId(),
    type: 'flv-play',
    ip: socket.remoteAddress ?? '',
    tcUrl: `rtmp://${socket.localAddress}/${name.app}`,
    url: name.url,
    name: name.requested,
    publish: false,
    since: Date.now(),
    socket,
  };
  node.enter(client);
  stream.asked = requestUrl(client.tcUrl, head.target);
  if (node.mutants.has('origin-redirects-flv')) redirectFlv(node, socket, name, stream);
  const player = stream.addPlayer(protocol, socket, responseHead(node, protocol, head));
  if (node.mutants.has('media-stall-timer-kept')) {
    const timer = setTimeout(() => socket.destroy(), node.timeouts.httpRequest);
    socket.on('close', () => clearTimeout(timer));
  }
  socket.resume();
  socket.on('close', () => {
    if (node.mutants.has('media-missing-stream-kept') && stream.frames === 0) return;
    stream.removePlayer(protocol, player);
    node.leave(client);
  });
}

/** SRS's (captures/srs-7.0.18/http-flv.s2c.bin), with what a page of another origin needs. */
function responseHead(node: MediaNode, protocol: keyof typeof CONTENT_TYPES, head: RequestHead): string {
  const cors = node.mutants.has('flv-no-cors') ? '' : corsFields(head);
  return (
    `HTTP/1.1 200 OK\r\nConnection: Close\r\n${cors}Content-Type: ${CONTENT_TYPES[protocol]}\r\n` +
    `Server: ${SERVER_NAME}\r\nTransfer-Encoding: chunked\r\n\r\n`
  );
}

/** Mutant: as if the answer of a coworker were for all players. */
function redirectFlv(
  { coworkers, config }: MediaNode,
  socket: Socket,
  name: StreamName,
  stream: Stream,
): void {
  if (stream.publisher) return;
  coworkers?.ask({ vhost: DEFAULT_VHOST, ip: '', app: name.app, stream: name.name }, (origin) => {
    if (!origin) return;
    const location = `http://${origin.ip}:${config.httpPort}${name.url}.flv`;
    socket.end(`HTTP/1.1 302 Found\r\nLocation: ${location}\r\nContent-Length: 0\r\n\r\n`);
  });
}
