/**
 * Ports for the servers of tests. A port that the system hands out and that is let go may be anybody's a moment later,
 * as the source of a connection or in a test file that runs beside; these are not.
 */
import { once } from 'node:events';
import { createServer } from 'node:net';
import { isFree, isFreeUdp } from '../../lab/ports.ts';

/** Below what the system chooses from (32768) and what the lab does (20000). */
const FIRST = 11_000;
const SLICES = 40;
const SLICE_SIZE = 200;
/** Who listens here, at the number of a slice, has the slice. */
const LOCKS = { host: '127.0.0.2', first: 10_900 };

let slice: Promise<number> | undefined;
let next = 0;

async function takeSlice(): Promise<number> {
  for (let number = 0; number < SLICES; number++) {
    const lock = createServer().unref();
    lock.listen({ host: LOCKS.host, port: LOCKS.first + number, exclusive: true });
    const taken = await once(lock, 'listening').then(
      () => true,
      () => false,
    );
    if (taken) return FIRST + number * SLICE_SIZE;
  }
  throw new Error(`${SLICES} test files run at a time`);
}

/** Free on `host`, and nobody else's as long as this process lives. */
export async function freePorts(host: string, count: number, isFreeAt = isFree): Promise<number[]> {
  slice ??= takeSlice();
  const first = await slice;
  const ports: number[] = [];
  for (let tried = 0; ports.length < count; tried++) {
    if (tried === SLICE_SIZE) throw new Error(`no free port on ${host}`);
    const port = first + (next++ % SLICE_SIZE);
    if (await isFreeAt(host, port)) ports.push(port);
  }
  return ports;
}

/** One, on 127.0.0.1. */
export async function freePort(): Promise<number> {
  const [port] = await freePorts('127.0.0.1', 1);
  return port!;
}

/** One, for UDP. */
export async function freeUdpPort(host = '127.0.0.1'): Promise<number> {
  const [port] = await freePorts(host, 1, isFreeUdp);
  return port!;
}
