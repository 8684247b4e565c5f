/** The system calls of Linux for many datagrams at a time, by a foreign function interface: Node has none for them. */
import { createRequire } from 'node:module';
import { endianness } from 'node:os';
import { getSystemErrorName } from 'node:util';

export const AF_INET = 2;
export const SOCK_DGRAM = 2;
export const SOCK_NONBLOCK = 0o4000;
export const SOCK_CLOEXEC = 0o2000000;
export const SOL_SOCKET = 1;
export const SO_RCVBUF = 8;
export const SO_RCVBUFFORCE = 33;
/** SO_TIMESTAMPNS; the ancillary message has the same number. */
export const SO_TIMESTAMPNS = 35;
export const SOL_UDP = 17;
/** An ancillary message with a length: what is sent is cut into datagrams of it (Linux 4.18). */
export const UDP_SEGMENT = 103;
export const MSG_DONTWAIT = 0x40;
export const MSG_NOSIGNAL = 0x4000;
export const MSG_TRUNC = 0x20;
export const EPOLL_CTL_ADD = 1;
export const EPOLL_CLOEXEC = 0o2000000;
export const EPOLLIN = 1;
export const POLLOUT = 4;
export const CLOCK_REALTIME = 0;

/** Addresses are of memory that `allocate` gave; buffers are written to, or read, while the call lasts. */
export interface Libc {
  socket(domain: number, type: number, protocol: number): number;
  bind(fd: number, address: Uint8Array, bytes: number): number;
  connect(fd: number, address: Uint8Array, bytes: number): number;
  getsockname(fd: number, address: Uint8Array, bytes: Int32Array): number;
  setsockopt(fd: number, level: number, option: number, value: Int32Array, bytes: number): number;
  getsockopt(fd: number, level: number, option: number, value: Int32Array, bytes: Int32Array): number;
  recvmmsg(fd: number, messages: bigint, count: number, flags: number, timeout: bigint): number;
  sendmmsg(fd: number, messages: bigint, count: number, flags: number): number;
  poll(descriptors: Int32Array, count: number, timeoutMs: number): number;
  epollCreate(flags: number): number;
  epollControl(epoll: number, operation: number, fd: number, event: Uint8Array): number;
  epollWait(epoll: number, events: bigint, count: number, timeoutMs: number): number;
  clockGettime(clock: number, time: bigint): number;
  close(fd: number): number;
  /** The error of the last call, as Node names it. */
  error(what: string): NodeJS.ErrnoException;
  /** Memory that stays where it is, for as long as the process lives, and its address. */
  allocate(bytes: number): { readonly address: bigint; readonly memory: ArrayBuffer };
}

/** Where structures are laid out as message-table.ts has them. */
const ARCHITECTURES: readonly string[] = ['x64', 'arm64'];

let loaded: { readonly libc: Libc | undefined } | undefined;

/** undefined where there is no such library, as on other systems and on Linux with another C library. */
export function libc(): Libc | undefined {
  loaded ??= { libc: load() };
  return loaded.libc;
}

function load(): Libc | undefined {
  const { platform, arch } = process;
  if (platform !== 'linux' || !ARCHITECTURES.includes(arch) || endianness() !== 'LE') return undefined;
  try {
    return declare(createRequire(import.meta.url)('koffi') as typeof import('koffi'));
  } catch {
    return undefined;
  }
}

function declare(koffi: typeof import('koffi')): Libc {
  const library = koffi.load('libc.so.6');
  const malloc = library.func('void *malloc(size_t bytes)');
  return {
    socket: library.func('int socket(int domain, int type, int protocol)'),
    bind: library.func('int bind(int fd, void *address, uint32_t bytes)'),
    connect: library.func('int connect(int fd, void *address, uint32_t bytes)'),
    getsockname: library.func('int getsockname(int fd, void *address, void *bytes)'),
    setsockopt: library.func('int setsockopt(int fd, int level, int option, void *value, uint32_t bytes)'),
    getsockopt: library.func('int getsockopt(int fd, int level, int option, void *value, void *bytes)'),
    recvmmsg: library.func('int recvmmsg(int fd, void *messages, uint32_t count, int flags, void *timeout)'),
    sendmmsg: library.func('int sendmmsg(int fd, void *messages, uint32_t count, int flags)'),
    poll: library.func('int poll(void *descriptors, unsigned long count, int timeout)'),
    epollCreate: library.func('int epoll_create1(int flags)'),
    epollControl: library.func('int epoll_ctl(int epoll, int operation, int fd, void *event)'),
    epollWait: library.func('int epoll_wait(int epoll, void *events, int count, int timeout)'),
    clockGettime: library.func('int clock_gettime(int clock, void *time)'),
    close: library.func('int close(int fd)'),
    error(what) {
      const errno = koffi.errno();
      const code = getSystemErrorName(-errno);
      return Object.assign(new Error(`${what} ${code}`), { code, errno: -errno, syscall: what });
    },
    allocate(bytes) {
      const address = malloc(bytes) as bigint | null;
      if (!address) throw new RangeError(`no memory for ${bytes} bytes`);
      const memory = koffi.view(address, bytes);
      new Uint8Array(memory).fill(0);
      return { address, memory };
    },
  };
}
