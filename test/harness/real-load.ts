/** The real `liveproof load`, its processes, and a server of stamped frames in the process of the test. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import type { TestContext } from 'node:test';
import { MediaSource } from '../../drivers/measure/source.ts';
import type { ProcessIdentity } from '../../lab/runners/proc.ts';
import { encodeTag, flvHeader } from '../../protocols/flv/writer.ts';
import { startArgs } from '../../runtime/entry.ts';
import { eventually, type Scripted, scripted, within } from '../drivers/support/observe.ts';
import { commandOf, descendantsOf } from '../support/processes.ts';

export const FRAMES = 100;

/** FLV of so many stamped frames at once; the connection stays open. */
function stamped(source: MediaSource, frames: number): Buffer {
  const parts: Uint8Array[] = [flvHeader({ audio: true, video: true })];
  for (const { type, body } of source.headers) parts.push(encodeTag(type, 0, body));
  let frame = 0;
  for (const item of source.items) {
    if (frame >= frames) break;
    if (item.template === undefined) continue;
    parts.push(encodeTag(item.type, item.timestamp, item.template.write(7, frame++, Date.now())));
  }
  return Buffer.concat([Buffer.from('HTTP/1.1 200 OK\r\n\r\n'), ...parts]);
}

export interface RealLoad {
  readonly child: ChildProcess;
  readonly server: Scripted;
  /** Everything that it started, workers first. */
  readonly workers: readonly ProcessIdentity[];
  readonly descendants: readonly ProcessIdentity[];
  /** What it printed so far. */
  said(): string;
  /** Its exit code. */
  ended(): Promise<number | null>;
}

export interface LoadRequest {
  readonly clients: number;
  readonly workers: number;
  readonly duration: string;
  readonly out: string;
  /** That each client gets. Default FRAMES. */
  readonly frames?: number;
  /** Default all at once. */
  readonly ramp?: string;
  /** To join, and to end. Default 20 s. */
  readonly withinMs?: number;
}

/** Resolves when every client has joined. */
export async function startLoad(
  t: TestContext,
  { clients, workers, duration, out, frames = FRAMES, ramp = '0', withinMs = 20_000 }: LoadRequest,
  env: Readonly<Record<string, string>> = {},
): Promise<RealLoad> {
  const source = MediaSource.load('fixtures/media/av-480k.flv');
  const server = await scripted(
    (socket) => void socket.once('data', () => socket.write(stamped(source, frames))),
  );
  t.after(() => server.close());
  const url = `http://127.0.0.1:${server.port}/live/x.flv`;
  const numbers = ['-n', String(clients), '--workers', String(workers), '--ramp', ramp];
  const args = ['load', url, ...numbers, '--duration', duration, '--out', out];
  const child = spawn(process.execPath, [...startArgs('cli/main.ts'), ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...env },
  });
  t.after(() => child.kill('SIGKILL'));
  let said = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      said += text;
    });
  }
  const exit = once(child, 'exit');
  await eventually(withinMs, 'everybody to join', () => {
    if (child.exitCode !== null) throw new Error(`it ended with ${child.exitCode}: ${said}`);
    return said.includes(`${clients}/${clients} joined`);
  });
  const descendants = descendantsOf(child.pid!);
  return {
    child,
    server,
    workers: descendants.filter(({ pid }) => commandOf(pid).includes('swarm/worker.')),
    descendants,
    said: () => said,
    ended: async () => (await within(withinMs, `the end; ${said}`, exit))[0] as number | null,
  };
}
