/**
 * Sockets that are read together every two milliseconds, each with one system call for all that has come, and written to
 * together: recvmmsg(2) and sendmmsg(2). A player by the thousand gets and sends some hundred thousand datagrams per
 * second; by node:dgram each costs a call of the system, a callback and three objects. When a datagram came is what the
 * system says (SO_TIMESTAMPNS), so that nothing is measured by when we look.
 */
import type { DatagramOptions, DatagramReceiver, DatagramSocket, Endpoint } from './contract.ts';
import {
  AF_INET,
  CLOCK_REALTIME,
  EPOLL_CLOEXEC,
  EPOLL_CTL_ADD,
  EPOLLIN,
  type Libc,
  MSG_DONTWAIT,
  MSG_NOSIGNAL,
  POLLOUT,
  SO_RCVBUF,
  SO_RCVBUFFORCE,
  SO_TIMESTAMPNS,
  SOCK_CLOEXEC,
  SOCK_DGRAM,
  SOCK_NONBLOCK,
  SOL_SOCKET,
} from './libc.ts';
import { MessageTable, NAME_BYTES, readName, writeName } from './message-table.ts';

/** Far below what SRT acknowledges at (10 ms); what is measured has the system's time of arrival. */
const POLL_MS = 2;
/** No datagram of these protocols is longer than a frame of Ethernet; the rest of a longer one is cut off, and it is lost. */
const ROW_BYTES = 2048;
const ROWS_IN = 64;
const ROWS_OUT = 512;
/** Sockets that are told of in one call. */
const EVENTS = 256;
/** A send buffer that is full is waited for once: then the datagram is lost. */
const WRITABLE_WITHIN_MS = 2;
const ANY_ADDRESS = '0.0.0.0';
/** Said by systems before Linux 4.18, of devices that compute no checksums, and of segments beyond the path's MTU. */
const CANNOT_SEGMENT: ReadonlySet<string | undefined> = new Set(['EINVAL', 'EIO', 'EMSGSIZE', 'ENOPROTOOPT']);
/** `struct epoll_event` is packed on x86-64 only. */
const EVENT_BYTES = process.arch === 'x64' ? 12 : 16;
const EVENT_DATA = process.arch === 'x64' ? 4 : 8;
const TIME_BYTES = 16;

/** All sockets of the process. */
export class Batcher {
  private readonly libc: Libc;
  private readonly incoming: MessageTable;
  private readonly outgoing: MessageTable;
  /** Of the rows that wait to be sent. */
  private readonly outSockets: BatchSocket[] = [];
  private readonly epoll: number;
  private readonly events: { readonly address: bigint; readonly view: DataView };
  private readonly time: { readonly address: bigint; readonly view: DataView };
  private readonly sockets = new Map<number, BatchSocket>();
  private timer: NodeJS.Timeout | undefined;
  /** Until the system, or the device, says that it cannot. */
  private canSegment = true;
  private isFlushDue = false;
  private readonly flushSoon = (): void => {
    this.isFlushDue = false;
    this.flush();
  };

  /** Throws when the system gives no epoll instance. */
  constructor(libc: Libc) {
    this.libc = libc;
    this.incoming = new MessageTable(libc, ROWS_IN, ROW_BYTES);
    for (let row = 0; row < ROWS_IN; row++) this.incoming.prepare(row);
    this.outgoing = new MessageTable(libc, ROWS_OUT, ROW_BYTES);
    this.epoll = libc.epollCreate(EPOLL_CLOEXEC);
    if (this.epoll < 0) throw libc.error('epoll_create1');
    const events = libc.allocate(EVENTS * EVENT_BYTES);
    this.events = { address: events.address, view: new DataView(events.memory) };
    const time = libc.allocate(TIME_BYTES);
    this.time = { address: time.address, view: new DataView(time.memory) };
  }

  /** IPv4. */
  open(options: DatagramOptions, receiver: DatagramReceiver): DatagramSocket {
    const { libc } = this;
    const fd = libc.socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) throw libc.error('socket');
    try {
      const name = new Uint8Array(NAME_BYTES);
      writeName(name, 0, { address: options.localAddress ?? ANY_ADDRESS, port: 0 });
      if (libc.bind(fd, name, NAME_BYTES) < 0) throw libc.error('bind');
      const on = new Int32Array([1]);
      if (libc.setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPNS, on, 4) < 0) throw libc.error('setsockopt');
      const granted = this.growReceiveBuffer(fd, options.receiveBufferBytes);
      if (options.connectTo !== undefined) {
        writeName(name, 0, options.connectTo);
        if (libc.connect(fd, name, NAME_BYTES) < 0) throw libc.error('connect');
      }
      if (libc.getsockname(fd, name, new Int32Array([NAME_BYTES])) < 0) throw libc.error('getsockname');
      const event = new DataView(new ArrayBuffer(EVENT_BYTES));
      event.setUint32(0, EPOLLIN, true);
      event.setInt32(EVENT_DATA, fd, true);
      const watched = libc.epollControl(this.epoll, EPOLL_CTL_ADD, fd, new Uint8Array(event.buffer));
      if (watched < 0) throw libc.error('epoll_ctl');
      const socket = new BatchSocket(this, fd, readName(name, 0).port, granted, options.connectTo, receiver);
      this.sockets.set(fd, socket);
      this.timer ??= setInterval(() => this.poll(), POLL_MS);
      return socket;
    } catch (error) {
      libc.close(fd);
      throw error;
    }
  }

  /** Reads all that has come, and sends all that its receivers have to say to that. */
  private poll(): void {
    const { libc, events } = this;
    const count = libc.epollWait(this.epoll, events.address, EVENTS, 0);
    if (count <= 0) return;
    // Sockets may be opened and closed by receivers, but the list of events is read first: no numbers are mistaken.
    const ready: BatchSocket[] = [];
    for (let i = 0; i < count; i++) {
      const socket = this.sockets.get(events.view.getInt32(i * EVENT_BYTES + EVENT_DATA, true));
      if (socket !== undefined) ready.push(socket);
    }
    const offset = this.clockOffset();
    for (const socket of ready) this.drain(socket, offset);
    this.flush();
  }

  /** `performance.now()` of the epoch. */
  private clockOffset(): number {
    const { view, address } = this.time;
    this.libc.clockGettime(CLOCK_REALTIME, address);
    const epoch = view.getUint32(0, true) * 1000 + view.getUint32(8, true) / 1e6;
    return performance.now() - epoch;
  }

  private drain(socket: BatchSocket, offset: number): void {
    const { libc, incoming } = this;
    while (socket.isOpen) {
      const count = libc.recvmmsg(socket.fd, incoming.headers[0]!, ROWS_IN, MSG_DONTWAIT, 0n);
      if (count < 0) {
        const error = libc.error('recvmmsg');
        if (error.code === 'EAGAIN') return;
        socket.receiver.onError(error);
        continue;
      }
      const now = performance.now();
      for (let row = 0; row < count; row++) {
        const bytes = incoming.received(row);
        const at = incoming.arrivedAt(row) + offset;
        // Not a number, or in the future as by a clock that was set: then it came now.
        if (bytes !== undefined && socket.isOpen)
          socket.receiver.onDatagram(bytes, socket.peerOf(incoming, row), at <= now ? at : now);
        incoming.prepare(row);
      }
      if (count < ROWS_IN) return;
    }
  }

  send(socket: BatchSocket, bytes: Uint8Array, to: Endpoint | undefined): void {
    if (bytes.length > ROW_BYTES) throw new RangeError(`a datagram of ${bytes.length} bytes`);
    if (this.outSockets.length === ROWS_OUT) this.flush();
    this.outgoing.fill(this.outSockets.length, bytes, to);
    this.outSockets.push(socket);
    if (this.isFlushDue) return;
    this.isFlushDue = true;
    setImmediate(this.flushSoon);
  }

  private flush(): void {
    const { outSockets } = this;
    const count = outSockets.length;
    for (let first = 0; first < count; ) {
      const socket = outSockets[first]!;
      let end = first + 1;
      while (end < count && outSockets[end] === socket) end++;
      this.sendRun(socket, first, end);
      first = end;
    }
    outSockets.length = 0;
  }

  /** Rows of one socket. */
  private sendRun(socket: BatchSocket, first: number, end: number): void {
    const { outgoing } = this;
    let hasWaited = false;
    while (first < end) {
      // Acknowledgements are of one length, and callers of one socket have one peer: the system is asked once for all.
      const segments = this.canSegment && socket.isConnected ? outgoing.segments(first, end) : 1;
      if (segments > 1) outgoing.join(first, segments);
      const count = segments > 1 ? 1 : this.plainUntil(socket, first, end) - first;
      const flags = MSG_DONTWAIT | MSG_NOSIGNAL;
      const sent = this.libc.sendmmsg(socket.fd, outgoing.headers[first]!, count, flags);
      const error = sent > 0 ? undefined : this.libc.error('sendmmsg');
      if (segments > 1) outgoing.join(first, 1);
      if (error === undefined) {
        first += segments > 1 ? segments : sent;
        hasWaited = false;
      } else if (error.code === 'EAGAIN' && !hasWaited) {
        hasWaited = true;
        this.libc.poll(new Int32Array([socket.fd, POLLOUT]), 1, WRITABLE_WITHIN_MS);
      } else if (segments > 1 && CANNOT_SEGMENT.has(error.code)) {
        this.canSegment = false;
      } else {
        if (error.code !== 'EAGAIN') queueMicrotask(() => socket.failed(error));
        first++;
      }
    }
  }

  /** The row at which others begin that can be sent as one. */
  private plainUntil(socket: BatchSocket, first: number, end: number): number {
    if (!this.canSegment || !socket.isConnected) return end;
    let row = first + 1;
    while (row < end && this.outgoing.segments(row, end) === 1) row++;
    return row;
  }

  close(socket: BatchSocket): void {
    this.flush();
    this.sockets.delete(socket.fd);
    this.libc.close(socket.fd);
    if (this.sockets.size > 0) return;
    clearInterval(this.timer);
    this.timer = undefined;
  }

  private growReceiveBuffer(fd: number, bytes: number): number {
    const { libc } = this;
    const value = new Int32Array([bytes]);
    // Only who may administer the network goes beyond what the system is set to.
    if (libc.setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, value, 4) < 0)
      libc.setsockopt(fd, SOL_SOCKET, SO_RCVBUF, value, 4);
    if (libc.getsockopt(fd, SOL_SOCKET, SO_RCVBUF, value, new Int32Array([4])) < 0)
      throw libc.error('getsockopt');
    return value[0]!;
  }
}

class BatchSocket implements DatagramSocket {
  readonly fd: number;
  readonly port: number;
  readonly receiveBufferBytes: number;
  readonly receiver: DatagramReceiver;
  isOpen = true;
  private readonly batcher: Batcher;
  readonly isConnected: boolean;
  private peer: Endpoint;
  private peerKey = Number.NaN;

  constructor(
    batcher: Batcher,
    fd: number,
    port: number,
    receiveBufferBytes: number,
    connectedTo: Endpoint | undefined,
    receiver: DatagramReceiver,
  ) {
    this.batcher = batcher;
    this.fd = fd;
    this.port = port;
    this.receiveBufferBytes = receiveBufferBytes;
    this.isConnected = connectedTo !== undefined;
    this.peer = connectedTo ?? { address: ANY_ADDRESS, port: 0 };
    this.receiver = receiver;
  }

  peerOf(table: MessageTable, row: number): Endpoint {
    if (this.isConnected) return this.peer;
    const key = table.peerKey(row);
    if (key !== this.peerKey) {
      this.peerKey = key;
      this.peer = table.peer(row);
    }
    return this.peer;
  }

  send(bytes: Uint8Array, to?: Endpoint): void {
    if (this.isOpen) this.batcher.send(this, bytes, to);
  }

  failed(error: NodeJS.ErrnoException): void {
    if (this.isOpen) this.receiver.onError(error);
  }

  close(): void {
    if (!this.isOpen) return;
    this.isOpen = false;
    this.batcher.close(this);
  }
}
