/** What a running Redis tells of itself, over its protocol (RESP, its specification's section "Inline commands"). */
import net from 'node:net';

const ANSWER_WITHIN_MS = 1000;
/** INFO of a Redis 7 has some 6 KB. */
const MAX_ANSWER = 64 * 1024;

export interface RedisInfo {
  readonly processId: number;
  /** Changes with every start. */
  readonly runId: string;
  /** Connections of clients, without the one that asks. */
  readonly clients: number;
}

/** Rejects when it does not answer, or has not read its data yet (PING and INFO, commands of Redis). */
export async function redisInfo(host: string, port: number): Promise<RedisInfo> {
  const answer = await ask(host, port, 'PING\r\nINFO everything\r\nQUIT\r\n');
  const [first] = answer.split('\r\n', 1);
  if (first !== '+PONG') throw new Error(`${host}:${port} answers PING with ${first}`);
  const field = (name: string): string => {
    const value = new RegExp(`^${name}:(.*)\\r$`, 'm').exec(answer)?.[1];
    if (value === undefined) throw new Error(`${host}:${port} does not tell ${name}`);
    return value;
  };
  return {
    processId: Number(field('process_id')),
    runId: field('run_id'),
    clients: Number(field('connected_clients')) - 1,
  };
}

/** Resolves with all that comes until the other side closes. */
function ask(host: string, port: number, commands: string): Promise<string> {
  return new Promise((resolve, reject) => {
    let answer = '';
    const socket = net.connect({ host, port });
    const fail = (error: Error): void => {
      socket.destroy();
      reject(error);
    };
    socket.setTimeout(ANSWER_WITHIN_MS, () => fail(new Error(`${host}:${port}: no answer`)));
    socket.on('error', fail);
    socket.on('connect', () => socket.write(commands));
    socket.setEncoding('utf8');
    socket.on('data', (text: string) => {
      answer += text;
      if (answer.length > MAX_ANSWER) fail(new Error(`${host}:${port}: an answer without an end`));
    });
    socket.on('end', () => resolve(answer));
    socket.on('close', () => reject(new Error(`${host}:${port}: closed before it answered`)));
  });
}
