/** Datagrams that the system dropped because this process did not read its UDP sockets in time (Linux, proc(5)). */
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';

const FILES = ['/proc/net/udp', '/proc/net/udp6'] as const;
const DESCRIPTORS = '/proc/self/fd';
/** Columns of those files. */
const INODE = 9;
const DROPS = 12;

/**
 * Reading a thousand sockets takes some ms, so they are only looked at when the system has counted a full receive
 * buffer of anybody's since the last time. A socket that was closed since then is not seen any more.
 */
export class UdpDrops {
  /** Cumulative, by the inode of the socket; those that are closed keep their last count. */
  readonly #bySocket = new Map<string, number>();
  #systemErrors = Number.NaN;

  /** Of all sockets of this process, since they were opened. 0 where the system does not tell. */
  read(): number {
    const errors = systemErrors();
    if (errors !== this.#systemErrors) {
      this.#systemErrors = errors;
      this.#look();
    }
    return [...this.#bySocket.values()].reduce((sum, drops) => sum + drops, 0);
  }

  #look(): void {
    const dropped = droppedByInode();
    if (dropped.size === 0) return;
    for (const inode of ownInodes()) {
      const drops = dropped.get(inode);
      if (drops !== undefined) this.#bySocket.set(inode, drops);
    }
  }
}

function textOf(file: string): string {
  try {
    return readFileSync(file, 'latin1');
  } catch {
    return '';
  }
}

/** Of the whole network namespace, IPv4 and IPv6. */
function systemErrors(): number {
  const [names = [], values = []] = [...textOf('/proc/net/snmp').matchAll(/^Udp: (.*)$/gm)].map((line) =>
    line[1]!.split(' '),
  );
  const four = Number(values[names.indexOf('RcvbufErrors')] ?? 0);
  const six = Number(/^Udp6RcvbufErrors\s+(\d+)$/m.exec(textOf('/proc/net/snmp6'))?.[1] ?? 0);
  return four + six;
}

function droppedByInode(): Map<string, number> {
  const found = new Map<string, number>();
  for (const line of FILES.flatMap((file) => textOf(file).split('\n').slice(1))) {
    const columns = line.trim().split(/\s+/);
    const drops = Number(columns[DROPS] ?? 0);
    if (drops > 0) found.set(columns[INODE]!, drops);
  }
  return found;
}

function* ownInodes(): Generator<string> {
  let names: string[] = [];
  try {
    names = readdirSync(DESCRIPTORS);
  } catch {
    return;
  }
  for (const name of names) {
    try {
      const inode = /^socket:\[(\d+)\]$/.exec(readlinkSync(`${DESCRIPTORS}/${name}`))?.[1];
      if (inode !== undefined) yield inode;
    } catch {
      // Closed meanwhile, as the descriptor of the folder itself.
    }
  }
}
