/** Where processes of this machine can be reached: proc(5), /proc/net/tcp and /proc/[pid]/fd. */
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';

/** TCP_LISTEN of the kernel's include/net/tcp_states.h. */
const LISTEN = '0A';
/** The peer of a UDP socket that takes datagrams from everybody. */
const ANYBODY = /^0+:0000$/;

/** `tcp 127.0.0.1:1935`, of TCP sockets that listen and UDP sockets that are not connected. */
export function listeningOf(pids: readonly number[]): string[] {
  const inodes = new Set(pids.flatMap(socketsOf));
  return ['tcp', 'tcp6', 'udp', 'udp6'].flatMap((table) =>
    readFileSync(`/proc/net/${table}`, 'latin1')
      .split('\n')
      .slice(1)
      .flatMap((line) => {
        const [, local = '', peer = '', state, , , , , , inode = ''] = line.trim().split(/\s+/);
        const open = table.startsWith('tcp') ? state === LISTEN : ANYBODY.test(peer);
        return open && inodes.has(inode) ? [`${table} ${addressOf(local)}`] : [];
      }),
  );
}

/** What others than this machine may reach. */
export function beyondLoopback(listening: readonly string[]): string[] {
  return listening.filter((socket) => !/^(tcp|udp) 127\.|^(tcp|udp)6 ::1:/.test(socket));
}

function socketsOf(pid: number): string[] {
  const directory = `/proc/${pid}/fd`;
  return readdirSync(directory).flatMap((file) => {
    try {
      return /^socket:\[(\d+)\]$/.exec(readlinkSync(`${directory}/${file}`))?.[1] ?? [];
    } catch {
      // Closed meanwhile.
      return [];
    }
  });
}

/** Words of 32 bit, each in the byte order of the machine, which is little-endian. */
function addressOf(text: string): string {
  const [hex = '', port = ''] = text.split(':');
  const bytes = [...Buffer.from(hex, 'hex')];
  if (bytes.length === 4) return `${bytes.reverse().join('.')}:${Number.parseInt(port, 16)}`;
  const inOrder = Array.from({ length: 4 }, (_, word) =>
    bytes.slice(word * 4, word * 4 + 4).reverse(),
  ).flat();
  const isOne = inOrder.every((byte, at) => byte === (at === 15 ? 1 : 0));
  return `${isOne ? '::1' : Buffer.from(inOrder).toString('hex')}:${Number.parseInt(port, 16)}`;
}
