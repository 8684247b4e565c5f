/** Requests that only a node which is ready answers. Each rejects with the reason why it is not. */
import { createSocket } from 'node:dgram';
import http from 'node:http';
import net from 'node:net';
import { encodeHandshake, inductionRequest } from '../../protocols/srt/handshake.ts';

const ATTEMPT_TIMEOUT_MS = 1000;
/** RTMP 1.0, 5.2.1: C0 and S0 are one byte, the others 1536. */
const HANDSHAKE_SIZE = 1536;
const RTMP_VERSION = 3;
/** In packets, as libsrt sends it. */
const SRT_FLOW_WINDOW = 8192;

/** Resolves with the body of a 200. */
export function httpGet(host: string, port: number, path: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const request = http.get(
      { host, port, path, agent: false, headers: { connection: 'close' }, timeout: ATTEMPT_TIMEOUT_MS },
      (response) => {
        let body = '';
        response.setEncoding('utf8');
        response.on('data', (text: string) => {
          body += text;
        });
        response.on('error', reject);
        response.on('end', () => {
          if (response.statusCode === 200) resolve(body);
          else reject(new Error(`GET ${path}: HTTP status ${response.statusCode}`));
        });
      },
    );
    request.on('timeout', () => request.destroy(new Error(`GET ${path}: no answer`)));
    request.on('error', reject);
  });
}

/**
 * A media node: its API tells the pid that was started, RTMP answers a handshake, HTTP accepts, and SRT, where it has
 * a port, answers from `srtHost`.
 */
export async function mediaNodeReady(
  host: string,
  ports: { rtmp: number; http: number; api: number; srt?: number | undefined },
  pid: number,
  srtHost = host,
): Promise<void> {
  await apiAnswers(host, ports.api, pid);
  await Promise.all([
    rtmpAnswers(host, ports.rtmp),
    accepts(host, ports.http),
    ...(ports.srt === undefined ? [] : [srtAnswers(srtHost, ports.srt)]),
  ]);
}

/** The API tells the pid that was started. */
export async function apiAnswers(host: string, port: number, pid: number): Promise<void> {
  const versions: unknown = JSON.parse(await httpGet(host, port, '/api/v1/versions'));
  const told = (versions as { pid?: unknown } | null)?.pid;
  if (String(told) !== String(pid)) throw new Error(`${host}:${port} is process ${told}, not ${pid}`);
}

/** Resolves when a GET of the path is answered, with whatever status. */
export function httpAnswers(host: string, port: number, path: string): Promise<void> {
  const request = Buffer.from(`GET ${path} HTTP/1.1\r\nHost: ${host}:${port}\r\nConnection: close\r\n\r\n`);
  return exchange(host, port, request, (got) => got.includes('\r\n\r\n'));
}

/** S0 and S1 come after C0 and C1. */
export function rtmpAnswers(host: string, port: number): Promise<void> {
  return exchange(
    host,
    port,
    Buffer.concat([Buffer.from([RTMP_VERSION]), Buffer.alloc(HANDSHAKE_SIZE)]),
    (got) => {
      if (got.length > 0 && got[0] !== RTMP_VERSION)
        throw new Error(`${host}:${port}: S0 is ${got[0]}, not 3`);
      return got.length >= 1 + HANDSHAKE_SIZE;
    },
  );
}

/** A listener answers an induction request, and keeps nothing of it. */
export function srtAnswers(host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = createSocket('udp4');
    const settle = (error?: Error): void => {
      clearTimeout(timer);
      socket.close();
      if (error === undefined) resolve();
      else reject(error);
    };
    const timer = setTimeout(() => settle(new Error(`srt ${host}:${port}: no answer`)), ATTEMPT_TIMEOUT_MS);
    socket.once('error', settle);
    socket.once('message', () => settle());
    socket.connect(port, host, () =>
      socket.send(encodeHandshake(inductionRequest(1, 0, SRT_FLOW_WINDOW), 0, 0)),
    );
  });
}

export function accepts(host: string, port: number): Promise<void> {
  return exchange(host, port, Buffer.alloc(0), () => true);
}

function exchange(
  host: string,
  port: number,
  send: Buffer,
  isAnswer: (got: Buffer) => boolean,
): Promise<void> {
  return new Promise((resolve, reject) => {
    let got = Buffer.alloc(0);
    const socket = net.connect({ host, port });
    const settle = (error?: Error): void => {
      socket.destroy();
      if (error === undefined) resolve();
      else reject(error);
    };
    const judge = (): void => {
      try {
        if (isAnswer(got)) settle();
      } catch (error) {
        settle(error as Error);
      }
    };
    socket.setTimeout(ATTEMPT_TIMEOUT_MS, () => settle(new Error(`${host}:${port}: no answer`)));
    socket.on('error', settle);
    socket.on('close', () => settle(new Error(`${host}:${port}: closed before it answered`)));
    socket.on('connect', () => {
      if (send.length === 0) judge();
      else socket.write(send);
    });
    socket.on('data', (bytes) => {
      got = Buffer.concat([got, bytes]);
      judge();
    });
  });
}
