/**
 * Questions before Node's HTTP server. Origins ask each on a connection of its own (facts/srs.md 10.5), and a connection
 * costs the HTTP server twice what a socket costs: a question in SRS's own words that memory answers is answered on the
 * socket. A connection that says anything else belongs to the HTTP server from then on.
 */
import type { Server } from 'node:http';
import type { Socket } from 'node:net';
import { acceptCheaply } from './accept.ts';
import type { Questions } from './questions.ts';

/** A whole request head of fields that SRS sends, without content, in one read. */
const QUESTION =
  /^(?:POST|GET) (\/api\/v1\/clusters\/?\?[\x21-\x7e\x80-\xff]*) HTTP\/1\.1\r\nHost:[\x20-\x7e]+\r\n(?:(?:User-Agent|Content-Type|Accept):[\x20-\x7e]*\r\n|Connection: ?keep-alive\r\n|Content-Length: ?0\r\n)*\r\n$/i;

/** Of a connection on which nothing is asked; SRS's own is 15 s (facts/srs.md 10.2). */
const IDLE_MS = 10_000;

const HEAD = 'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: ';

const ENDS = ['end', 'error', 'timeout'] as const;

/** @param server with `noDelay` off: an answer is one write */
export function answerFirst(server: Server, questions: Questions): void {
  const listeners = server.listeners('connection') as ((socket: Socket) => void)[];

  function onData(this: Socket, bytes: Buffer): void {
    const url = this.writableLength === 0 ? QUESTION.exec(bytes.toString('latin1'))?.[1] : undefined;
    const body = url === undefined ? undefined : questions.answerNow(url, this);
    if (body === undefined) handOver(this, bytes);
    else this.write(`${HEAD}${Buffer.byteLength(body)}\r\n\r\n${body}`);
  }

  function handOver(socket: Socket, bytes: Buffer): void {
    socket.off('data', onData);
    for (const event of ENDS) socket.off(event, end);
    socket.setTimeout(0);
    socket.setNoDelay(true);
    socket.pause();
    socket.unshift(bytes);
    for (const listener of listeners) listener.call(server, socket);
    socket.resume();
  }

  server.on('listening', () => acceptCheaply(server));
  server.removeAllListeners('connection');
  server.on('connection', (socket: Socket) => {
    socket.on('data', onData);
    for (const event of ENDS) socket.on(event, end);
    socket.setTimeout(IDLE_MS);
  });
}

function end(this: Socket): void {
  this.destroy();
}
