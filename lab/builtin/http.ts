/** The HTTP port of a node: HTTP-FLV, HTTP-TS and HLS (facts/srs.md 6.3, 7.1). */
import type { Socket } from 'node:net';
import { closeSoon, closeWhenTaken } from './close-soon.ts';
import { HTTP_SEND_TIMEOUT_MS, SERVER_NAME } from './constants.ts';
import { serveHls } from './hls/serve.ts';
import { playLive } from './http-flv.ts';
import { type RequestHead, readRequests } from './http-head.ts';
import type { MediaNode } from './node.ts';
import { liveStreamName, type StreamName } from './stream-name.ts';

const NO_TIMEOUT_MS = 2 ** 31 - 1;

export function serveHttp(node: MediaNode, socket: Socket): void {
  const timeout = node.mutants.has('http-no-header-timeout') ? NO_TIMEOUT_MS : node.timeouts.httpRequest;
  readRequests(socket, timeout, (result) => {
    if (result === 'timeout') socket.destroy();
    else if (typeof result === 'string') onMalformed(node, socket, result);
    else return route(node, socket, result);
    return false;
  });
}

/** Returns whether another request may follow. */
function route(node: MediaNode, socket: Socket, head: RequestHead): boolean {
  const flv = head.method === 'GET' ? liveStreamName(head.target, 'flv') : undefined;
  if (flv) {
    playLive(node, socket, 'flv', flv, head);
    return false;
  }
  const ts = head.method === 'GET' ? liveStreamName(head.target, 'ts') : undefined;
  if (ts && !isFile(node, ts)) {
    playLive(node, socket, 'ts', ts, head);
    return false;
  }
  const served = node.hls && serveHls(node, node.hls, socket, head);
  if (!served) refuse(socket, '404 Not Found');
  else if (!head.keepAlive) closeWhenTaken(socket, HTTP_SEND_TIMEOUT_MS);
  return served === true && head.keepAlive;
}

/** `cam-1.ts` is a segment of cam, unless there is a stream of that name; a path that climbs is no stream. */
function isFile(node: MediaNode, { app, name, url }: StreamName): boolean {
  if (app.split('/').includes('..')) return true;
  return /-\d+$/.test(name) && node.streams.get(url)?.publisher === undefined;
}

function onMalformed(node: MediaNode, socket: Socket, failure: 'malformed' | 'too-long'): void {
  if (node.mutants.has('http-malformed-kills-node')) throw new Error(`HTTP request ${failure}`);
  if (node.mutants.has('http-malformed-tolerated')) {
    socket.resume();
    return;
  }
  refuse(socket, failure === 'too-long' ? '431 Request Header Fields Too Large' : '400 Bad Request');
}

function refuse(socket: Socket, status: string): void {
  socket.write(
    `HTTP/1.1 ${status}\r\nServer: ${SERVER_NAME}\r\nConnection: Close\r\nContent-Length: 0\r\n\r\n`,
  );
  // What the client still sends is thrown away.
  socket.resume();
  closeSoon(socket);
}
