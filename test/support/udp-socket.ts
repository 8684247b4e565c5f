/** What the system knows of a UDP socket of IPv4 on this machine (Linux, proc(5), net/udp). */
import { readFileSync } from 'node:fs';

const LOCAL_ADDRESS = 1;
const QUEUES = 4;

export interface UdpSocketState {
  /** Bytes that its owner has not read yet, with what the system counts for each datagram. */
  readonly waiting: number;
  /** Datagrams that found no room, since it was opened. */
  readonly dropped: number;
}

/** Undefined while no socket is bound to that port, whatever its address. */
export function udpSocketAt(port: number): UdpSocketState | undefined {
  const entry = `:${port.toString(16).toUpperCase().padStart(4, '0')}`;
  const fields = readFileSync('/proc/net/udp', 'latin1')
    .split('\n')
    .map((line) => line.trim().split(/\s+/))
    .find((columns) => columns[LOCAL_ADDRESS]?.endsWith(entry));
  if (fields === undefined) return undefined;
  return {
    waiting: Number.parseInt(fields[QUEUES]!.split(':')[1]!, 16),
    dropped: Number(fields.at(-1)),
  };
}
