/** HTTP-FLV: one GET, then the stream as FLV tags in chunks until somebody leaves (facts/srs.md 7.1). */
import type { Socket } from 'node:net';
import { type ClientRecord, randomId } from './clients.ts';
import { closeSoon } from './close-soon.ts';
import { SERVER_NAME } from './constants.ts';
import { readRequestHead } from './http-head.ts';
import type { MediaNode } from './node.ts';
import { flvStreamName, type StreamName } from './stream-name.ts';

const NO_TIMEOUT_MS = 2 ** 31 - 1;

export function serveFlv(node: MediaNode, socket: Socket): void {
  const timeout = node.mutants.has('http-no-header-timeout') ? NO_TIMEOUT_MS : node.timeouts.httpRequest;
  readRequestHead(socket, timeout, (result) => {
    if (result === 'timeout') socket.destroy();
    else if (typeof result === 'string') onMalformed(node, socket, result);
    else {
      const name = flvStreamName(result.target);
      if (result.method === 'GET' && name) play(node, socket, name);
      else answer(socket, '404 Not Found');
    }
  });
}

/**
 * Answers nothing until there is media: a player of a missing stream waits in silence, as at SRS. What the player
 * sends after its request is thrown away.
 */
function play(node: MediaNode, socket: Socket, name: StreamName): void {
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
  const player = stream.addPlayer('flv', socket);
  if (node.mutants.has('media-stall-timer-kept')) {
    const timer = setTimeout(() => socket.destroy(), node.timeouts.httpRequest);
    socket.on('close', () => clearTimeout(timer));
  }
  socket.resume();
  socket.on('close', () => {
    if (node.mutants.has('media-missing-stream-kept') && stream.frames === 0) return;
    stream.removePlayer('flv', player);
    node.leave(client);
  });
}

function onMalformed(node: MediaNode, socket: Socket, failure: 'malformed' | 'too-long'): void {
  if (node.mutants.has('http-malformed-kills-node')) throw new Error(`HTTP request ${failure}`);
  if (node.mutants.has('http-malformed-tolerated')) {
    socket.resume();
    return;
  }
  answer(socket, failure === 'too-long' ? '431 Request Header Fields Too Large' : '400 Bad Request');
}

function answer(socket: Socket, status: string): void {
  socket.resume();
  socket.write(
    `HTTP/1.1 ${status}\r\nServer: ${SERVER_NAME}\r\nConnection: Close\r\nContent-Length: 0\r\n\r\n`,
  );
  closeSoon(socket);
}
